from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from lightmill.config import Config, config_from_json, config_to_json, load_config
from lightmill.errors import ConfigError

MANUAL = Path(__file__).parents[2] / "config/default.toml"


def test_the_manual_equals_the_defaults_and_names_every_key():
    assert load_config(MANUAL, environ={}) == Config()
    text = MANUAL.read_text()
    documented = tomllib.loads(re.sub(r"^# ((token|url|dir) = )", r"\1", text, flags=re.M))
    for section, model in Config.model_fields.items():
        assert set(documented[section]) == set(model.annotation.model_fields)
    lines = text.splitlines()
    keys = [index for index, line in enumerate(lines) if re.match(r"(# )?[a-z_]+ = ", line)]
    assert all(lines[index - 1].startswith("# ") for index in keys)


def test_file_environment_and_flags_in_this_order(tmp_path):
    path = tmp_path / "mill.toml"
    path.write_text('[server]\nport = 1\nhost = "127.0.0.2"\n[session]\ngrace_s = 3\n')
    environ = {"LIGHTMILL_SERVER__PORT": "2", "LIGHTMILL_PLUGINS__BLOCKED": '["x"]', "HOME": "/"}
    config = load_config(
        path, environ=environ, flags={"session": {"grace_s": 5}, "server": {"port": None}}
    )
    assert (config.server.port, config.server.host) == (2, "127.0.0.2")
    assert (config.session.grace_s, config.plugins.blocked) == (5, ["x"])


@pytest.mark.parametrize(
    ("text", "environ", "names"),
    [
        ("[serve]\nport = 1\n", {}, "serve"),
        ("[server]\nprot = 1\n", {}, r"server\.prot"),
        ("[server]\nport = 99999\n", {}, r"server\.port"),
        ("port = [\n", {}, "not valid TOML"),
        ("", {"LIGHTMILL_SERVE__PORT": "1"}, "LIGHTMILL_SERVE__PORT"),
        ("", {"LIGHTMILL_SERVER__PROT": "1"}, r"server\.prot"),
        ("", {"LIGHTMILL_SERVER__PORT": "many"}, r"server\.port"),
    ],
)
def test_whatever_is_misspelt_is_named(tmp_path, text, environ, names):
    path = tmp_path / "mill.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=names):
        load_config(path, environ=environ)


def test_advertised_addresses_may_carry_a_port():
    texts = [
        "203.0.113.7",
        "203.0.113.7:9000",
        "2001:db8::7",
        "[2001:db8::7]",
        "[2001:db8::7]:9000",
    ]
    rtc = load_config(environ={}, flags={"rtc": {"advertise": texts}}).rtc
    assert [(one.host, one.port) for one in rtc.advertised()] == [
        ("203.0.113.7", None),
        ("203.0.113.7", 9000),
        ("2001:db8::7", None),
        ("2001:db8::7", None),
        ("2001:db8::7", 9000),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.org", "0.0.0.0", "::", "224.0.0.1", "fe80::1%eth0", "203.0.113.7:"),
        *("1.2.3.4:0", "1.2.3.4:-1", "203.0.113.7:70000", "203.0.113.7:x"),
        *("[2001:db8::7]x", "[2001:db8::7]:", "[::1"),
    ],
)
def test_what_cannot_be_advertised_is_named(text):
    with pytest.raises(ConfigError, match="advertise takes addresses") as refused:
        load_config(environ={}, flags={"rtc": {"advertise": [text]}})
    assert repr(text) in str(refused.value)


def test_an_advertised_port_needs_the_one_port():
    rtc = {"advertise": ["203.0.113.7:9000"], "ephemeral_ports": True}
    with pytest.raises(ConfigError, match="ephemeral_ports"):
        load_config(environ={}, flags={"rtc": rtc})


@pytest.mark.parametrize("pattern", ["", "!", "eth 0", "!!x"])
def test_interface_patterns_are_checked(pattern):
    with pytest.raises(ConfigError, match=r"rtc\.interfaces\.0"):
        load_config(environ={}, flags={"rtc": {"interfaces": [pattern]}})


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.toml", environ={})


def test_secrets_do_not_show():
    config = load_config(environ={}, flags={"server": {"token": "hunter2"}})
    assert "hunter2" not in repr(config)


def test_the_configuration_survives_the_way_to_another_process():
    ice = {"urls": ["turn:x"], "username": "u", "credential": "hidden"}
    flags = {"server": {"token": "hunter2", "workers": 3}, "rtc": {"ice_servers": [ice]}}
    config = load_config(environ={}, flags=flags)
    assert config_from_json(config_to_json(config)) == config
