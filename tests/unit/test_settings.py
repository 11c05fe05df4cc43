import hashlib
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.addresses import UrlTemplate
from orchestrator.image_references import ImagePolicy
from orchestrator.quantities import PortRange
from orchestrator.settings import BadSettings, Settings, load_settings

SetEnv = Callable[..., None]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
        monkeypatch.delenv(field, raising=False)


@pytest.fixture
def setenv(monkeypatch: pytest.MonkeyPatch) -> SetEnv:
    def setenv(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return setenv


DEFAULTS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 8000,
    "log_level": "info",
    "port_range": PortRange(8001, 8999),
    "root_path": "",
    "publish_address": (),
    "public_host": None,
    "public_url": None,
    "default_image": "base-api-server:latest",
    "default_memory": 512 * 1024 * 1024,
    "allowed_images": ImagePolicy(),
    "default_cpus": 1.0,
    "default_pids": 512,
    "default_init": True,
    "max_memory": 0,
    "max_cpus": 0.0,
    "max_pids": 0,
    "default_disk": 0,
    "max_disk": 0,
    "total_disk": 0,
    "min_free_disk": 0,
    "disk_interval": 300.0,
    "total_memory": 0,
    "total_cpus": 0.0,
    "total_pids": 0,
    "containers_per_key": 0,
    "log_rotation": "10m,3",
    "allow_unmanaged": "false",
    "allow_from_containers": False,
    "allow_icc": False,
    "log_format": "text",
    "audit_log": None,
    "max_body": 65536,
    "max_requests": 500,
    "max_streams": 50,
    "max_connections": 1000,
    "max_connections_per_peer": 500,
    "request_timeout": 30.0,
    "docker_host": None,
    "docker_tls_verify": None,
    "docker_cert_path": None,
}


def test_defaults() -> None:
    settings = load_settings()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS
    assert settings.engine_timeout > 0
    assert settings.pull_timeout > settings.engine_timeout


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("HOST", "localhost", "localhost"),
        ("PORT", "9000", 9000),
        ("API_KEY", "k" * 32, hashlib.sha256(b"k" * 32).digest()),
        ("API_KEY_FILE", "/run/keys", "/run/keys"),
        ("ALLOW_ANONYMOUS", "true", True),
        ("ALLOWED_HOSTS", "api, *.Example.org,[fd00::1]", ("api", "*.example.org", "fd00::1")),
        ("CORS_ORIGINS", "https://a.org:8443", ("https://a.org:8443",)),
        ("TRUSTED_PROXIES", "10.0.0.5,fd00::/8", ("10.0.0.5", "fd00::/8")),
        ("LOG_LEVEL", "debug", "debug"),
        ("LOG_LEVEL", "WARNING", "warning"),
        ("LOG_FORMAT", "json", "json"),
        ("AUDIT_LOG", "/var/log/audit", "/var/log/audit"),
        ("MAX_BODY", "128k", 128 * 1024),
        ("MAX_BODY", "65537", 65537),
        ("MAX_REQUESTS", "10", 10),
        ("MAX_STREAMS", "10", 10),
        ("MAX_CONNECTIONS", "10", 10),
        ("MAX_CONNECTIONS_PER_PEER", "10", 10),
        ("REQUEST_TIMEOUT", "0.5", 0.5),
        ("PORT_RANGE", "9001-9010", PortRange(9001, 9010)),
        ("ROOT_PATH", "/docker", "/docker"),
        ("ROOT_PATH", "/a/b-1.0/~c_d", "/a/b-1.0/~c_d"),
        ("PUBLISH_ADDRESS", "0.0.0.0", ("0.0.0.0",)),
        ("PUBLISH_ADDRESS", "127.0.0.1", ("127.0.0.1",)),
        ("PUBLISH_ADDRESS", "::", ("::",)),
        ("PUBLISH_ADDRESS", "0.0.0.0, [::]", ("0.0.0.0", "::")),
        ("PUBLISH_ADDRESS", "10.0.0.5,127.0.0.1,::1,10.0.0.5", ("10.0.0.5", "127.0.0.1", "::1")),
        ("PUBLIC_HOST", "Docker.example.org", "docker.example.org"),
        ("PUBLIC_HOST", "10.0.0.5", "10.0.0.5"),
        ("PUBLIC_HOST", "[fd00::1]", "fd00::1"),
        (
            "PUBLIC_URL",
            "https://{name}.lab.example.org",
            UrlTemplate("https://{name}.lab.example.org"),
        ),
        ("PUBLIC_URL", "http://example.org:{port}", UrlTemplate("http://example.org:{port}")),
        ("DEFAULT_IMAGE", "nginx:1.27", "nginx:1.27"),
        ("DEFAULT_MEMORY", "1g", 2**30),
        ("DEFAULT_MEMORY", "536870912", 2**29),
        ("ALLOWED_IMAGES", "nginx, team/*", ImagePolicy(("nginx", "team/*"))),
        ("DEFAULT_CPUS", "0.5", 0.5),
        ("DEFAULT_CPUS", "0", 0.0),
        ("DEFAULT_PIDS", "0", 0),
        ("MAX_MEMORY", "512m", 512 * 2**20),
        ("MAX_MEMORY", "0", 0),
        ("MAX_CPUS", "1.5", 1.5),
        ("MAX_PIDS", "1000", 1000),
        ("TOTAL_MEMORY", "8g", 8 * 2**30),
        ("DEFAULT_DISK", "10g", 10 * 2**30),
        ("TOTAL_DISK", "0", 0),
        ("MIN_FREE_DISK", "1m", 2**20),
        ("DISK_INTERVAL", "60", 60.0),
        ("TOTAL_CPUS", "8", 8.0),
        ("TOTAL_PIDS", "10000", 10000),
        ("CONTAINERS_PER_KEY", "20", 20),
        ("LOG_ROTATION", "off", "off"),
        ("LOG_ROTATION", "500k,10", "500k,10"),
        ("ENGINE_TIMEOUT", "5.5", 5.5),
        ("PULL_TIMEOUT", "60", 60.0),
        ("ALLOW_UNMANAGED", "true", "true"),
        ("ALLOW_UNMANAGED", "1", "true"),
        ("ALLOW_UNMANAGED", "Yes", "true"),
        ("ALLOW_UNMANAGED", "on", "true"),
        ("ALLOW_UNMANAGED", "read", "read"),
        ("ALLOW_UNMANAGED", "READ", "read"),
        ("ALLOW_UNMANAGED", "no", "false"),
        ("ALLOW_UNMANAGED", "0", "false"),
        ("ALLOW_ICC", "true", True),
        ("DOCKER_HOST", "tcp://10.0.0.5:2376", "tcp://10.0.0.5:2376"),
        ("DOCKER_HOST", "ssh://me@engine", "ssh://me@engine"),
        ("DOCKER_TLS_VERIFY", "1", "1"),
        ("DOCKER_CERT_PATH", "/certs", "/certs"),
    ],
)
def test_each_variable_sets_its_setting(
    setenv: SetEnv, variable: str, text: str, value: object
) -> None:
    setenv(**{variable: text})
    settings = load_settings()
    assert getattr(settings, variable.lower()) == value
    others = {name: default for name, default in DEFAULTS.items() if name != variable.lower()}
    assert {name: getattr(settings, name) for name in others} == others


@pytest.mark.parametrize("field", list(Settings.model_fields))
def test_an_empty_variable_is_an_unset_one(setenv: SetEnv, field: str) -> None:
    expected = load_settings()
    setenv(**{field.upper(): ""})
    assert load_settings() == expected


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "8000.5"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("MAX_BODY", "lots"),
        ("MAX_BODY", "10"),
        ("MAX_REQUESTS", "0"),
        ("MAX_STREAMS", "-1"),
        ("MAX_CONNECTIONS", "1"),
        ("REQUEST_TIMEOUT", "nan"),
        ("PORT_RANGE", "8001"),
        ("PORT_RANGE", "8999-8001"),
        ("PORT_RANGE", "8001-70000"),
        ("ROOT_PATH", "docker"),
        ("ROOT_PATH", "/"),
        ("ROOT_PATH", "/docker/"),
        ("ROOT_PATH", "//evil.example.org"),
        ("ROOT_PATH", "/docker/../x"),
        ("ROOT_PATH", "/a b"),
        ("ROOT_PATH", "/a?b"),
        ("ROOT_PATH", '/"><script>'),
        ("PUBLIC_HOST", "example.org:8000"),
        ("PUBLIC_HOST", "http://example.org"),
        ("PUBLIC_HOST", "*.example.org"),
        ("PUBLIC_HOST", "a b"),
        ("PUBLIC_URL", "{name}.example.org"),
        ("PUBLIC_URL", "https://example.org"),
        ("PUBLIC_URL", "https://{host}.example.org"),
        ("PUBLIC_URL", "https://{}.example.org"),
        ("PUBLIC_URL", "https://{name.__class__}.example.org"),
        ("PUBLIC_URL", "https://{name!r}.example.org"),
        ("PUBLIC_URL", "http://example.org:{port:>9}"),
        ("PUBLIC_URL", "http://example.org:{port"),
        ("PUBLIC_URL", "http://example.org:8{port}"),
        ("PUBLIC_URL", "javascript:{name}"),
        ("PUBLIC_URL", "http://me@{name}"),
        ("PUBLISH_ADDRESS", "localhost"),
        ("PUBLISH_ADDRESS", "0.0.0.0,127.0.0.1"),
        ("PUBLISH_ADDRESS", "::1,0.0.0.0,::"),
        ("PUBLISH_ADDRESS", "fe80::1%eth0"),
        ("PUBLISH_ADDRESS", "127.0.0.256"),
        ("PUBLISH_ADDRESS", "10.0.0.0/8"),
        ("DEFAULT_MEMORY", "lots"),
        ("DEFAULT_MEMORY", "1m"),
        ("ALLOWED_IMAGES", "nginx;redis"),
        ("DEFAULT_CPUS", "0.001"),
        ("DEFAULT_CPUS", "inf"),
        ("DEFAULT_PIDS", "-1"),
        ("MAX_MEMORY", "1m"),
        ("MAX_MEMORY", "-1"),
        ("MAX_CPUS", "0.001"),
        ("MAX_PIDS", "many"),
        ("TOTAL_MEMORY", "lots"),
        ("DEFAULT_DISK", "1023k"),
        ("MAX_DISK", "17t"),
        ("TOTAL_DISK", "-1"),
        ("MIN_FREE_DISK", "10%"),
        ("DISK_INTERVAL", "0"),
        ("TOTAL_CPUS", "nan"),
        ("TOTAL_PIDS", "-1"),
        ("CONTAINERS_PER_KEY", "-1"),
        ("CONTAINERS_PER_KEY", "1.5"),
        ("LOG_ROTATION", "10m"),
        ("LOG_ROTATION", "0m,3"),
        ("LOG_ROTATION", "10m,0"),
        ("ENGINE_TIMEOUT", "0"),
        ("ENGINE_TIMEOUT", "soon"),
        ("ENGINE_TIMEOUT", "nan"),
        ("ENGINE_TIMEOUT", "inf"),
        ("PULL_TIMEOUT", "-1"),
        ("ALLOW_UNMANAGED", "maybe"),
        ("ALLOW_UNMANAGED", "write"),
        ("ALLOW_ANONYMOUS", "maybe"),
        ("ALLOWED_HOSTS", "api:8000"),
        ("ALLOWED_HOSTS", "api,*api.org"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://a.org/path"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "10.0.0.5,proxy"),
        ("ALLOW_ICC", "maybe"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(
    setenv: SetEnv, variable: str, text: str
) -> None:
    setenv(**{variable: text})
    with pytest.raises(BadSettings) as refused:
        load_settings()
    line = str(refused.value)
    assert line.startswith(f"{variable}='{text}' cannot be used: ")
    assert "\n" not in line
    assert len(line) < 250
    assert "pydantic" not in line.lower()
    assert not line.endswith("..")


def test_a_bad_value_of_several_lines_is_still_one_line(setenv: SetEnv) -> None:
    setenv(PORT="80\n00")
    with pytest.raises(BadSettings) as refused:
        load_settings()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "key", ["short-secret", "k" * 31, "two words " * 5, "ключ" * 10, "k" * 513]
)
def test_a_bad_key_is_refused_without_being_shown(setenv: SetEnv, key: str) -> None:
    setenv(API_KEY=key)
    with pytest.raises(BadSettings) as refused:
        load_settings()
    shown = "".join(traceback.format_exception(refused.value))
    assert str(refused.value).startswith("API_KEY cannot be used: a key has 32 to 512 characters")
    assert key not in shown


def test_no_text_of_a_key_is_kept(setenv: SetEnv) -> None:
    setenv(API_KEY="secret-" * 8)
    assert "secret" not in repr(load_settings())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "example.org", "::ffff:10.0.0.5"])
def test_an_address_for_others_wants_a_key_or_a_word(setenv: SetEnv, host: str) -> None:
    setenv(HOST=host)
    with pytest.raises(BadSettings) as refused:
        load_settings()
    line = str(refused.value)
    assert line.startswith(f"HOST='{host}' can be reached from elsewhere")
    assert "ALLOW_ANONYMOUS=true" in line
    assert "\n" not in line
    setenv(ALLOW_ANONYMOUS="true")
    assert load_settings().host == host
    setenv(ALLOW_ANONYMOUS="false", API_KEY="k" * 32)
    assert load_settings().host == host


@pytest.mark.parametrize(
    ("default", "value", "ceiling", "most"),
    [
        ("DEFAULT_MEMORY", "512m", "MAX_MEMORY", "511m"),
        ("DEFAULT_MEMORY", "2g", "TOTAL_MEMORY", "1g"),
        ("DEFAULT_CPUS", "1.5", "MAX_CPUS", "1"),
        ("DEFAULT_CPUS", "0", "MAX_CPUS", "4"),
        ("DEFAULT_CPUS", "0", "TOTAL_CPUS", "4"),
        ("DEFAULT_PIDS", "11", "MAX_PIDS", "10"),
        ("DEFAULT_PIDS", "0", "TOTAL_PIDS", "10"),
        ("DEFAULT_DISK", "0", "MAX_DISK", "1g"),
        ("DEFAULT_DISK", "2g", "MAX_DISK", "1g"),
    ],
)
def test_a_default_above_a_ceiling_is_one_line_that_names_both(
    setenv: SetEnv, default: str, value: str, ceiling: str, most: str
) -> None:
    setenv(**{default: value, ceiling: most})
    with pytest.raises(BadSettings) as refused:
        load_settings()
    line = str(refused.value)
    assert line.startswith(f"{default}=")
    assert f"{ceiling}=" in line
    assert "\n" not in line
    setenv(**{ceiling: "0"})
    load_settings()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "::ffff:127.0.0.1"])
def test_a_loopback_address_wants_no_key(setenv: SetEnv, host: str) -> None:
    setenv(HOST=host)
    assert load_settings().host == host


def test_a_bad_ssh_address_is_one_line_without_the_password_in_it(setenv: SetEnv) -> None:
    setenv(DOCKER_HOST="ssh://me:secret-word@engine")
    with pytest.raises(BadSettings) as refused:
        load_settings()
    assert str(refused.value).startswith("DOCKER_HOST cannot be used: ")
    assert "\n" not in str(refused.value)
    assert "secret-word" not in "".join(traceback.format_exception(refused.value))


def test_variables_of_others_are_no_business_of_ours(setenv: SetEnv) -> None:
    setenv(PORTS="x", ORCHESTRATOR="y")
    assert load_settings().port == 8000


def test_settings_are_read_when_asked_for(setenv: SetEnv) -> None:
    assert load_settings().port == 8000
    setenv(PORT="9000")
    assert load_settings().port == 9000
