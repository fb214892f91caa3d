"""An answer as Discord's text and files. Pure: nothing is sent here."""
