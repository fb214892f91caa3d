"""Where packages come from: passes the configuration of pip on to uv.

    environment = os.environ | uv_environment(pip_config_list, os.environ)

uv does not read pip's configuration, so behind a company's mirror or proxy it would fail where pip works.
"""

import ast
import re
from collections.abc import Mapping

__all__ = ["uv_environment"]

# https://pip.pypa.io/en/stable/topics/configuration/ and https://docs.astral.sh/uv/reference/environment/
UV_NAMES = {
    "cert": "SSL_CERT_FILE",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
}
COMMA_SEPARATED = {"UV_FIND_LINKS"}  # pip and uv separate the rest by spaces
SETTING = re.compile(r"(?P<section>global|install|:env:)\.(?P<key>[a-z-]+)=(?P<value>.+)")
WEAKEST_FIRST = ("global", "install", ":env:")


def uv_environment(pip_config: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that make uv do what the output of `pip config list` (in `pip_config`) says.

    A variable that is set in `environment` is left alone: whoever configures uv knows better.
    """
    settings = [match for line in pip_config.splitlines() if (match := SETTING.fullmatch(line.strip()))]
    settings.sort(key=lambda match: WEAKEST_FIRST.index(match["section"]))
    # Every file is checked against our hash, so it may come from any index that has it.
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for setting in settings:
        if name := UV_NAMES.get(setting["key"]):
            values = str(ast.literal_eval(setting["value"])).split()
            found[name] = ("," if name in COMMA_SEPARATED else " ").join(values)
    return {name: value for name, value in found.items() if name not in environment}
