"""`python -m config` prints the table of docs/settings.md."""

from config.settings import table

if __name__ == "__main__":
    print(table())
