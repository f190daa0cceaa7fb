"""The worker protocol over HTTP (docs/worker-protocol.md): patient with networks and restarts, plain about refusals."""

import contextlib
import hashlib
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from attune_gpu.errors import AttuneError

PROTOCOL_VERSION = 1
ANSWER_SECONDS = 60
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.25, 15.0
LEAST_OUTAGE_SECONDS = 2.0
# Asked again with growing waits, as long as it takes.
PASSING = {"tooManyRequests", "unavailable", "internal"}


class Refused(AttuneError):
    """The server answered, and said no. `facts` are what stands beside the message."""

    def __init__(self, code: str, message: str, facts: dict):
        super().__init__(message)
        self.code, self.facts = code, facts


class Client:
    """`may_go_on` is asked between tries: what it raises ends the waiting. `on_outage` is told how long the server was away."""

    def __init__(self, url: str, token: str, may_go_on: Callable[[], None] = lambda: None):
        if not url.startswith(("http://", "https://")):
            raise AttuneError(f"--url {url}: give the server's address, https://…")
        self.base, self.token, self.may_go_on = f"{url.rstrip('/')}/api/worker", token, may_go_on
        self.on_outage: Callable[[float], None] = lambda seconds: None
        self.lost_at: float | None = None

    def post(self, at: str, body: dict) -> dict:
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        return json.loads(self._patiently("POST", at, lambda: (content, {"content-type": "application/json"}))[1])

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
                self._note_connection(True)
                return answer
            except Refused as refusal:
                self._note_connection(refusal.code != "unavailable")
                if refusal.code not in PASSING:
                    raise
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError):
                self._note_connection(False)
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
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                if file is None:
                    return answer.status, answer.read()
                with open(file, "ab" if answer.status == 206 else "wb") as out:
                    while chunk := answer.read(2**20):
                        out.write(chunk)
                return answer.status, b""
        except urllib.error.HTTPError as error:
            if error.code == 416:  # whole already: the range begins behind the end
                return error.code, b""
            raise _to_refused(error) from error

    def _note_connection(self, is_there: bool) -> None:
        if not is_there:
            self.lost_at = self.lost_at or time.monotonic()
            return
        lost = time.monotonic() - self.lost_at if self.lost_at else 0.0
        self.lost_at = None
        if lost >= LEAST_OUTAGE_SECONDS:
            self.on_outage(lost)


def _to_refused(error: urllib.error.HTTPError) -> Refused:
    text = error.read().decode("utf-8", "replace")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        facts = dict(json.loads(text)["error"])
        return Refused(str(facts.pop("code")), str(facts.pop("message")), facts)
    # A proxy answers for a server that is away; anything else that is no answer of ours is no Attune.
    code = "unavailable" if error.code >= 500 or error.code == 429 else "notFound"
    return Refused(code, f"{error.url} answered {error.code}: {text[:200]}", {})


def file_sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as content:
        while chunk := content.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
