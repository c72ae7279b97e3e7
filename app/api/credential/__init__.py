"""Proving who asks: keys of programs, and tokens of people from an identity provider.

Owns: API keys and JSON Web Tokens, checked; what is remembered of them, and for how long.
Never: decides inside which organization a request runs (`../authentication.py` does); keeps or logs a secret.
Begin at: `api_key.py`, then `token.py`.
"""
