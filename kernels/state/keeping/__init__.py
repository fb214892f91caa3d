"""How a keeper works: how long it waits (`times.py`), who saves when (`slots.py`), and what comes back."""
