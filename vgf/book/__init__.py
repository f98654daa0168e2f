"""Book: figures and pages made from records. Only this room draws."""
