"""The machine interface: a program asks and is answered in lines of JSON."""
