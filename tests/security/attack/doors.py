"""Who is let in: paths, names, methods, keys and headers, each written in ways that nobody
expects."""

import base64
import secrets

from .answers import Tally
from .registry import Fault, attack
from .target import Target

# Every route of the service, with what comes of nothing where it is let in.
ROUTES = [
    ("GET", "/"), ("GET", "/health"), ("GET", "/health/ready"), ("GET", "/metrics"),
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/system/stats"),
    ("GET", "/system/stats/history"), ("GET", "/containers"), ("GET", "/containers/running"),
    ("GET", "/containers/stats"), ("GET", "/containers/stats/stream"), ("GET",
    "/containers/nobody"),
    ("GET", "/containers/nobody/env"), ("GET", "/containers/nobody/stats"),
    ("GET", "/containers/nobody/stats/history"), ("GET", "/containers/nobody/stats/stream"),
    ("GET", "/ports"), ("GET", "/ports/8001"), ("GET", "/volumes"), ("POST", "/containers"),
    ("POST", "/containers/create"), ("POST", "/containers/nobody/start"),
    ("POST", "/containers/nobody/stop"), ("POST", "/containers/nobody/restart"),
    ("DELETE", "/containers/nobody"), ("DELETE", "/volumes/nobody"), ("GET", "/docs"),
    ("GET", "/redoc"), ("GET", "/openapi.json"), ("GET", "/docs/oauth2-redirect"),
    ("GET", "/static-offline-docs/swagger-ui-bundle.js"), ("GET", "/nothing"),
]  # fmt: skip
# Spelled so that one part of a service might take them for what needs no key, and another not.
ODD_PATHS = [
    "/health/live/../../containers", "/health/live/..%2f..%2fcontainers", "/health/live%2f",
    "/health/live/", "//health/live", "//containers", "/./containers", "/%2e/containers",
    "/health/live;/../containers", "/health/live%00/containers", "/health%2flive/../../containers",
    "/HEALTH/LIVE/../../containers", "/health/live%3f/../../containers", "/containers/",
    "/containers%2f", "/%63ontainers", "/containers;x=/health/live", "/containers?/health/live",
    "/containers#/health/live", "/health/live%23/../../containers", "/health/live\\..\\containers",
    "/docs/../containers", "/static-offline-docs/../containers",
    "/static-offline-docs/%2e%2e/containers", "/containers/nobody%2fenv", "/%2fcontainers",
]  # fmt: skip
FILES = [
    "/static-offline-docs/../../../../../../etc/passwd",
    "/static-offline-docs/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/static-offline-docs/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/static-offline-docs/..%252f..%252f..%252fetc%252fpasswd",
    "/static-offline-docs//etc/passwd", "/static-offline-docs/%2fetc%2fpasswd",
    "/static-offline-docs/....//....//....//etc/passwd", "/../main.py", "/main.py", "/.git/config",
    "/.env", "/static-offline-docs/__init__.py", "/static-offline-docs/..\\..\\main.py",
    "/static-offline-docs/swagger-ui.css%00.js", "/static-offline-docs/", "/etc/passwd",
]  # fmt: skip
INSIDES = (b"root:x:", b"root:*:", b"[core]", b"import ", b"API_KEY=")


@attack("keys")
def nothing_without_a_key(target: Target) -> str:
    """Every route, also in odd spellings, is asked without a key."""
    tally = Tally()
    for method, path in ROUTES:
        answer = target.ask(method, path, key=None)
        tally.add(f"{method} {path}", answer, 401)
        if not (answer.header("www-authenticate") or "").startswith("Bearer"):
            tally.fault(f"{method} {path}", "a refusal that does not say how to log in")
    for path in ODD_PATHS:
        for method in ("GET", "DELETE"):
            for each in target.send(target.request(method, path, key=None)):
                # What /health/live answers, it answers to everybody.
                harmless = each.status == 200 and each.body == b'{"status":"alive"}'
                tally.add(f"{method} {path}", each, *([200] if harmless else [400, 401, 404, 405]))
    return tally.seen()


@attack("keys")
def wrong_keys(target: Target) -> str:
    """Keys that are wrong, almost right, cut, doubled, or in a place where none belongs."""
    key = target.key or secrets.token_hex(32)
    wrong = secrets.token_hex(32)
    basic = base64.b64encode(f"{key}:".encode()).decode()
    of_wrong = base64.b64encode(f"me:{wrong}".encode()).decode()
    values = [
        "", "Bearer", "Bearer ", f"Bearer {wrong}", f"Bearer {key[:-1]}", f"Bearer {key}x",
        f"Bearer {key.swapcase()}" if key.swapcase() != key else f"Bearer {wrong}",
        f"Bearer {key}, {key}", f"Bearer {key},", f"Token {key}", key, f"Bearer\t{wrong}",
        f"Basic {basic}", f"Basic {of_wrong}", "Basic", "Basic %%%", "Basic " + "A" * 5000,
        "Bearer " + "a" * 20_000, "Bearer null", "Bearer undefined", "Bearer \x7f", "Bearer é",
        "Negotiate abc", 'Digest username="a"', f'Bearer "{key}"', f"Bearer {key[::-1]}x",
    ]  # fmt: skip
    tally = Tally()
    for value in values:
        data = target.request("GET", "/containers", f"Authorization: {value}", key=None)
        for each in target.send(data):
            tally.add(f"Authorization: {value[:12]}…", each, 400, 401)
    for first, second in ((key, wrong), (wrong, key)):
        lines = [f"Authorization: Bearer {each}" for each in (first, second)]
        tally.add("two keys", target.ask("GET", "/containers", *lines, key=None), 400, 401)
    for line in (f"Cookie: key={key}", f"X-API-Key: {key}", f"Proxy-Authorization: Bearer {key}",
                 f"X-Authorization: Bearer {key}"):  # fmt: skip
        tally.add(line[:16], target.ask("GET", "/containers", line, key=None), 401)
    for name in ("key", "api_key", "access_token", "token", "Authorization"):
        answer = target.ask("GET", f"/containers?{name}={key}", key=None)
        tally.add(f"?{name}=", answer, 401)
        if key.encode() in answer.body:
            tally.fault(f"?{name}=", "the answer repeats the key")
    return tally.seen()


@attack("keys", "caller")
def a_key_that_reads_only(target: Target) -> str:
    """A key that may only read asks for changes."""
    tally = Tally()
    if "writer" in target.may:
        return "not seen: the key may change things, as an operator's does"
    for method, path in ROUTES:
        if method != "GET":
            tally.add(f"{method} {path}", target.ask(method, path), 403)
    tally.add("env", target.ask("GET", "/containers/nobody/env"), 403)
    return tally.seen()


@attack()
def files_of_the_machine(target: Target) -> str:
    """Paths that lead out of the service's own pages, to files of the machine."""
    tally = Tally()
    for path in FILES:
        for each in target.send(target.request("GET", path)):
            tally.add(path, each, 307, 400, 401, 403, 404, 405)
            if any(inside in each.body for inside in INSIDES):
                tally.fault(path, f"a file is shown: {each.body[:40]!r}")
    return tally.seen()


@attack()
def methods(target: Target) -> str:
    """Methods that are rare, wrong, in small letters, or said again in a header."""
    tally = Tally()
    for method in ("TRACE", "CONNECT", "PROPFIND", "PURGE", "PATCH", "PUT", "get", "GeT", "DEBUG",
                   "QUERY", "A" * 40, "PRI", "LINK"):  # fmt: skip
        for path in ("/containers", "/health/live", "/nothing"):
            secret = secrets.token_hex(8)
            data = target.request(method, path, f"X-Secret: {secret}")
            for each in target.send(data):
                tally.add(f"{method[:9]} {path}", each, 400, 401, 403, 404, 405)
                if secret.encode() in each.body:
                    tally.fault(method[:9], "the answer repeats headers, as TRACE does")
    for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        answer = target.ask("GET", "/containers/nobody", f"{name}: DELETE")
        tally.add(name, answer, 401, 404, 503)
        if answer.json.get("code") == "container-not-found":
            looked = target.ask("GET", "/containers/create", f"{name}: POST")
            tally.add(name, looked, 404, 405)
    return tally.seen()


@attack()
def names_of_others(target: Target) -> str:
    """Names in Host that are somebody else's, as after DNS rebinding."""
    tally = Tally()
    for host in (
        "evil.example", f"evil.example:{target.port}", "evil.example:80",
        f"{target.host}.evil.example",
        "evil-localhost", "localhost.evil.example", "10.255.255.254", "2130706433", "0x7f000001",
        "127.0.0.1@evil.example", "evil.example#localhost", "localhost,evil.example", "[::1]evil",
        "127.0.0.1:80:80", "evil.example\tlocalhost", "[::ffff:203.0.113.1]", "*", "_", "a" * 300,
        "evil.example/", "evil.example?localhost", "LOCALHOST.EVIL.EXAMPLE", "localhost%2eevil",
    ):  # fmt: skip
        for method, path in (("GET", "/containers"), ("POST", "/containers/nobody/stop")):
            for each in target.send(target.request(method, path, host=host)):
                # A body that is a refusal may be another server's, which knows no such name.
                tally.add(f"Host: {host}", each, 400, 403, 404, 421)
                if each.code == "container-not-found":
                    tally.fault(f"Host: {host}", "answered (ALLOWED_HOSTS=* would do that)")
    for names in ((target.netloc, "evil.example"), ("evil.example", target.netloc)):
        data = target.request("GET", "/containers", f"Host: {names[1]}", host=names[0])
        for each in target.send(data):
            tally.add("two names", each, 400, 403, 404, 421)
    data = target.request("GET", "http://evil.example/containers").replace(
        f"GET {target.before}http".encode(), b"GET http"
    )
    for each in target.send(data):
        tally.add("GET http://evil.example/…", each, 400, 403, 404, 421)
    return tally.seen()


@attack()
def pages_of_others(target: Target) -> str:
    """Changes that a page of another origin asks for, and answers that it would read."""
    tally = Tally()
    own = f"{'https' if target.tls else 'http'}://{target.netloc}"
    for lines in (
        ("Sec-Fetch-Site: cross-site",), ("Sec-Fetch-Site: same-site",), ("Sec-Fetch-Site: ",),
        ("Sec-Fetch-Site: cross-site", f"Origin: {own}"), ("Origin: null",), ("Origin: ",),
        ("Origin: http://evil.example",), (f"Origin: {own}.evil.example",),
        (f"Origin: {own}@evil.example",), ("Origin: file://",), (f"Origin: {own}9",),
        ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"),
    ):  # fmt: skip
        for method, path in (
            ("POST", "/containers/nobody/stop"),
            ("DELETE", "/containers/nobody"),
            ("POST", "/containers/create"),
        ):
            # A body that is refused, so that nothing is made where the page is let in.
            body = b'{"name": "-"}' if path.endswith("create") else None
            kind = ("Content-Type: application/json",) if body else ()
            answer = target.ask(method, path, *lines, *kind, body=body)
            tally.add(f"{method} with {lines}", answer, 401, 403)
            if answer.code not in ("cross-origin", "unauthenticated", "insufficient-scope"):
                tally.fault(lines, f"refused as {answer}")
    asks = ("Origin: http://evil.example", "Access-Control-Request-Method: DELETE")
    for method, path in (("OPTIONS", "/containers/nobody"), ("GET", "/containers"), ("GET", "/")):
        answer = target.ask(method, path, *asks)
        tally.add(f"{method} {path}", answer, 200, 204, 401)
        allowed = answer.header("access-control-allow-origin")
        if allowed is not None:
            tally.fault(f"{method} {path}", f"Access-Control-Allow-Origin: {allowed}")
    return tally.seen()


@attack()
def forms_of_pages(target: Target) -> str:
    """Bodies as a form of any page can send them, without asking before."""
    tally = Tally()
    for kind in ("text/plain", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=a",
                 "text/plain; a=application/json", "application/jsonp", "text/json", "",
                 "application/json, text/plain", "*/*"):  # fmt: skip
        answer = target.ask(
            "POST", "/containers/create", f"Content-Type: {kind}", body=b'{"name": "-"}'
        )
        tally.add(f"Content-Type: {kind}", answer, 401, 403, 415)
    none = target.ask("POST", "/containers/create", body=b'{"name": "-"}')
    tally.add("no Content-Type", none, 401, 403, 415)
    for coding in ("gzip", "deflate", "br", "gzip, gzip", "x"):
        body = b"\x1f\x8b\x08\x00" + b"\x00" * 40
        lines = (f"Content-Encoding: {coding}", "Content-Type: application/json")
        answer = target.ask("POST", "/containers/create", *lines, body=body)
        tally.add(f"Content-Encoding: {coding}", answer, 400, 401, 403, 415, 422)
    return tally.seen()


@attack()
def headers_of_answers(target: Target) -> str:
    """What answers tell browsers: no framing, no guessing of types, no scripts of others."""
    tally = Tally()
    for path in ("/", "/health/live", "/containers", "/nothing", "/docs", "/openapi.json",
                 "/metrics"):  # fmt: skip
        for method in ("GET", "HEAD"):
            answer = target.ask(method, path)
            tally.add(f"{method} {path}", answer)
            policy = answer.header("content-security-policy") or ""
            for name, good in (
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("cross-origin-resource-policy", "same-origin"),
            ):
                if answer.header(name) != good:
                    tally.fault(f"{method} {path}", f"{name}: {answer.header(name)}")
            if "default-src 'none'" not in policy or "frame-ancestors 'none'" not in policy:
                tally.fault(f"{method} {path}", f"content-security-policy: {policy[:60]}")
            scripts = [part for part in policy.split(";") if part.strip().startswith("script-src")]
            if "unsafe" in "".join(scripts) or "*" in "".join(scripts):
                tally.fault(path, f"any script may run: {scripts}")
            if answer.header("x-powered-by"):
                tally.fault(path, "X-Powered-By tells what it is made with")
    return tally.seen()


@attack()
def parts_of_urls(target: Target) -> str:
    """Ids, numbers and queries that are no text, no number, too long, or too many."""
    tally = Tally()
    odd = ["%00", "%ff%fe", "%", "%zz", "%0d%0aX-Evil:%201", "..", ".", "%2e%2e", "a" * 4000, "*",
           "%F0%9F%92%A3", "'%20OR%201=1--", "%7B%7D", "$(id)", "%3Cscript%3E", "-", "_", "+",
           " "[:0],
           "%e2%80%ae", "{id}", "nobody?x", "a%2fb"]  # fmt: skip
    for each in odd:
        for path in (f"/containers/{each}", f"/containers/{each}/stats", f"/ports/{each}",
                     f"/containers?name={each}", f"/containers?label={each}={each}",
                     f"/system/stats/history?since={each}"):  # fmt: skip
            for answer in target.send(target.request("GET", path)):
                tally.add(path, answer)
                if answer.header("x-evil") is not None:
                    tally.fault(path, "a header was brought into the answer")
                if answer.status >= 400 and b"<script>" in answer.body:
                    kind = answer.header("content-type") or ""
                    if "json" not in kind:
                        tally.fault(path, f"a script comes back as {kind}")
    for number in ("nan", "inf", "-1", "1e999", "9" * 400, "0x10", "1_0", "", "٣", "1.5.2", "true",
                   "-0", "99999-12-31T00:00:00Z", "0000-00-00T00:00:00Z"):  # fmt: skip
        for path in (f"/system/stats/history?step={number}",
        f"/system/stats/history?since={number}",
                     f"/containers/stats?top={number}", f"/ports/{number}",
                     f"/containers/nobody/stats/stream?every={number}&limit=1",
                     f"/containers?managed={number}"):  # fmt: skip
            for answer in target.send(target.request("GET", path)):
                tally.add(path, answer)
    many = "&".join(f"label=a{n}" for n in range(900))
    for path in (
        f"/containers?{many}",
        "/containers?" + "&" * 8000,
        "/containers?" + "a=b&" * 1900,
    ):
        for answer in target.send(target.request("GET", path)):
            tally.add(path, answer)
    return tally.seen()


@attack()
def rare_headers(target: Target) -> str:
    """Headers that change a request: Range, If-Match, Upgrade, Expect, Accept-Encoding."""
    tally = Tally()
    tags = ", ".join(f'"{secrets.token_hex(8)}"' for _ in range(800))
    for line in (
        "Range: bytes=0-0,1-1,2-2" + ",3-3" * 2000, "Range: bytes=-9999999999999999999",
        "If-Match: *", "If-None-Match: " + tags, "If-None-Match: W/\"", "If-Modified-Since: never",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
        "Expect: 100-continue", "Expect: 200-ok", "Accept: " + "a/b;q=0.1," * 2500,
        "Accept-Encoding: " + "gzip;q=0.5," * 2500, "Accept-Encoding: gzip;q=nan",
        "Accept-Language: *",
        "Connection: close, host, authorization",
        "Content-Type: " + "a" * 9000, "Cookie: " + "a=b;" * 6000,
        "X-Request-ID: " + "x" * 9000, "TE: trailers", "Max-Forwards: 0", "Via: 1.1 evil",
    ):  # fmt: skip
        for path in ("/containers", "/openapi.json"):
            for answer in target.send(target.request("GET", path, line)):
                tally.add(line, answer)
    return tally.seen()


@attack()
def ids_of_requests(target: Target) -> str:
    """A request's id with which a caller would write into headers, logs and answers of others."""
    tally = Tally()
    for value in (
        'a"b',
        "a b",
        "x" * 65,
        "<script>",
        "a\x0bb",
        "é",
        "a;b",
        "{}",
        "",
        "../x",
        "a\tb",
    ):
        for answer in target.send(target.request("GET", "/nothing", f"X-Request-ID: {value}")):
            tally.add(value, answer)
            if value and answer.header("x-request-id") == value:
                tally.fault(f"X-Request-ID: {value}", "it was taken")
    kept = target.ask("GET", "/health/live", "X-Request-ID: attack-1", key=None)
    if kept.header("x-request-id") != "attack-1":
        raise Fault(f"an id that is in order became {kept.header('x-request-id')}")
    return tally.seen()
