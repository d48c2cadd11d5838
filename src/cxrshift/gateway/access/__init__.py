"""Who may call: API keys, tokens of an OIDC issuer, roles, and how much each caller may ask."""
