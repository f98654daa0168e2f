"""Parts: third-party models and texts, found or downloaded, and their preparation."""
