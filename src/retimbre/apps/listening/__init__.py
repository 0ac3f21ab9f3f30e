"""Listening tests by ITU-R BS.1534 (MUSHRA): sounds and configurations for webMUSHRA, and its ratings."""
