"""What tests share: small data, agents, models, records, servers and readers of pages."""
