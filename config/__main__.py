"""`python -m config` prints the README's table of settings."""

from config.settings import table

if __name__ == "__main__":
    print(table())
