"""pip's settings for package registries, handed on to uv."""

from config.setup.registry import uv_environment

PIP_CONFIG = """\
:env:.cert='/etc/company.pem'
:env:.disable-pip-version-check='1'
global.cert='/etc/other.pem'
global.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example/simple'
global.find-links='/wheels /more'
global.index-url='https://mirror.example/simple'
global.proxy='http://proxy.example:3128'
list.format='columns'
"""


def test_pips_settings_become_uvs() -> None:
    """uv uses pip's mirror, indexes, certificate and proxy; environment variables override pip's file."""
    found = uv_environment(PIP_CONFIG, {})
    assert found == {
        "ALL_PROXY": "http://proxy.example:3128",
        "SSL_CERT_FILE": "/etc/company.pem",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_uvs_own_settings_stand() -> None:
    """Settings of uv's own are not overridden."""
    found = uv_environment(
        PIP_CONFIG, {"UV_DEFAULT_INDEX": "https://own.example", "SSL_CERT_FILE": "/own.pem"}
    )
    assert found.keys() & {"UV_DEFAULT_INDEX", "SSL_CERT_FILE"} == set()


def test_no_settings_change_nothing_but_the_strategy() -> None:
    """Without a pip configuration, or if pip's output is not one, uv keeps its own defaults."""
    assert uv_environment("", {}).keys() == {"UV_INDEX_STRATEGY"}
    assert uv_environment("WARNING: something\n", {}).keys() == {"UV_INDEX_STRATEGY"}
