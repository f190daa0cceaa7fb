"""The worker protocol over HTTP (docs/worker-protocol.md): patient with networks and restarts, plain about refusals."""

import contextlib
import errno
import hashlib
import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from attune_gpu.errors import AttuneError, MachineError
from attune_gpu.safetensors_file import file_sha256

PROTOCOL_VERSION = 1
ANSWER_SECONDS = 60
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.25, 15.0
LEAST_OUTAGE_SECONDS = 2.0
# Asked again with growing waits, as long as it takes.
PASSING = {"tooManyRequests", "unavailable", "internal"}
# Of this machine's disk: asking the server again would not help.
LOCAL = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EIO}


class Refused(AttuneError):
    """The server answered, and said no. `facts` are what stands beside the message."""

    def __init__(self, code: str, message: str, facts: dict):
        super().__init__(message)
        self.code, self.facts = code, facts


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whoever a redirect names would be given the token."""

    def redirect_request(self, *arguments) -> None:
        return None


class Client:
    """`may_go_on` is asked between tries: what it raises ends the waiting. `on_lost` is told why the server cannot be reached, once each time;
    `on_outage`, when it is back, for how long it was away."""

    def __init__(self, url: str, token: str, may_go_on: Callable[[], None] = lambda: None):
        if not url.startswith(("http://", "https://")):
            raise AttuneError(f"--url {url}: give the server's address, https://…")
        self.base, self.token, self.may_go_on = f"{url.rstrip('/')}/api/worker", token, may_go_on
        self.on_lost: Callable[[str], None] = lambda reason: None
        self.on_outage: Callable[[float], None] = lambda seconds: None
        self.lost_at: float | None = None
        self.was_reached = False
        self.open = urllib.request.build_opener(NoRedirects).open

    def post(self, at: str, body: dict) -> dict:
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        answer = self._patiently("POST", at, lambda: (content, {"content-type": "application/json"}))[1]
        try:
            return json.loads(answer)
        except ValueError as error:
            raise Refused("notFound", f"{self.base}/{at} answered with what no Attune says: {answer[:200]!r}. See that --url names the server.", {}) from error

    def put(self, at: str, content: bytes) -> None:
        headers = {"content-type": "application/octet-stream", "x-attune-sha256": hashlib.sha256(content).hexdigest()}
        self._patiently("PUT", at, lambda: (content, headers))

    def text(self, at: str) -> bytes:
        return self._patiently("GET", at, lambda: (None, {}))[1]

    def download(self, at: str, file: Path, sha256: str | None) -> None:
        """Puts a file there, whole or not at all. Of a known sha256 what is here of it is kept, and the rest asked for."""
        draft = file.with_name(f"{file.name}.part")
        file.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(3):

            def request() -> tuple[None, dict]:
                start = draft.stat().st_size if sha256 and draft.exists() else 0
                return None, ({"range": f"bytes={start}-", "if-range": f'"{sha256}"'} if start else {})

            self._patiently("GET", at, request, draft)
            if sha256 is None or file_sha256(draft) == sha256:
                draft.rename(file)
                return
            draft.unlink()
        raise AttuneError(f"{at} arrived three times with another sha256 than {sha256}. Something between here and the server changes what is sent.")

    def _patiently(self, method: str, at: str, request: Callable[[], tuple[bytes | None, dict]], file: Path | None = None) -> tuple[int, bytes]:
        tries = 0
        while True:
            self.may_go_on()
            try:
                answer = self._once(method, at, *request(), file)
                self._note_connection(None)
                return answer
            except Refused as refusal:
                self._note_connection(str(refusal) if refusal.code == "unavailable" else None)
                if refusal.code not in PASSING:
                    raise
            except (OSError, http.client.HTTPException) as error:
                self._refuse_hopeless(error)
                self._note_connection(str(error) or type(error).__name__)
            wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**tries)
            tries += 1
            until = time.monotonic() + wait
            while time.monotonic() < until:
                self.may_go_on()
                time.sleep(min(0.1, wait))

    def _once(self, method: str, at: str, body: bytes | None, headers: dict, file: Path | None) -> tuple[int, bytes]:
        own = {"authorization": f"Bearer {self.token}", "x-attune-protocol": str(PROTOCOL_VERSION)}
        request = urllib.request.Request(f"{self.base}/{at}", data=body, headers={**headers, **own}, method=method)
        try:
            with self.open(request, timeout=ANSWER_SECONDS) as answer:
                if file is None:
                    return answer.status, answer.read()
                with open(file, "ab" if answer.status == 206 else "wb") as out:
                    _copy(answer, out)
                return answer.status, b""
        except urllib.error.HTTPError as error:
            if error.code == 416:  # whole already: the range begins behind the end
                return error.code, b""
            raise _to_refused(error) from error

    def _refuse_hopeless(self, error: Exception) -> None:
        """Raises where trying again would not help."""
        if getattr(error, "errno", None) in LOCAL:
            raise MachineError(f"What the server sent could not be kept: {error}. See to this machine's disk.") from error
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError) and not self.was_reached:
            raise AttuneError(
                f"The certificate of {self.base} is not trusted here: {reason.verify_message}. Give the name that it is for as --url; for an "
                "authority of your own, SSL_CERT_FILE names its certificates."
            ) from error

    def _note_connection(self, fault: str | None) -> None:
        """None: there was an answer."""
        if fault is not None:
            if self.lost_at is None:
                self.lost_at = time.monotonic()
                self.on_lost(fault)
            return
        self.was_reached = True
        lost = time.monotonic() - self.lost_at if self.lost_at else 0.0
        self.lost_at = None
        if lost >= LEAST_OUTAGE_SECONDS:
            self.on_outage(lost)


def _copy(answer, out) -> None:
    """Python takes a connection that was cut for the end of what was sent."""
    left = answer.length  # None: not told before
    while chunk := answer.read(2**20):
        out.write(chunk)
        left = None if left is None else left - len(chunk)
    if left:
        raise http.client.IncompleteRead(b"", left)


def _to_refused(error: urllib.error.HTTPError) -> Refused:
    text = error.read().decode("utf-8", "replace")
    if 300 <= error.code < 400:
        return Refused("notFound", f"{error.url} sends on to {error.headers.get('location')}, and the token goes nowhere else. Give the server's own address as --url.", {})
    with contextlib.suppress(ValueError, KeyError, TypeError):
        facts = dict(json.loads(text)["error"])
        return Refused(str(facts.pop("code")), str(facts.pop("message")), facts)
    # A proxy answers for a server that is away; anything else that is no answer of ours is no Attune.
    code = "unavailable" if error.code >= 500 or error.code == 429 else "notFound"
    return Refused(code, f"{error.url} answered {error.code}: {text[:200]}", {})
