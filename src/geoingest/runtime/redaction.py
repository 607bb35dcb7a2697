"""Secrets taken out of text before it is written anywhere: those this process knows, and what looks like one.

Two nets, because each has holes: the values of this process's own secret settings are found wherever they turn up,
and forms that secrets have (credentials in an address, `password=...`, signed queries) are found whatever they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
# Shorter ones would hide half of every line; a secret of this length is none.
MIN_CHARACTERS = 6

_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|TOKEN|DSN|URI|CREDENTIAL|ACCESS_KEY|API_KEY|HEADERS", re.IGNORECASE
)
_PASSWORD = re.compile(r"password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))", re.IGNORECASE)
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<=://)[^\s\"'/]*@"), f"{HIDDEN}@"),
    (re.compile(r"(\w+://[^\s?\"']*)\?[^\s\"']*"), rf"\1?{HIDDEN}"),
    (
        re.compile(
            r"([\w-]*(?:password|passwd|secret|token|signature|credential|api[_-]?key|access[_-]?key)[\w-]*[\"']?)"
            r"\s*[=:]\s*(?:\"[^\"]*\"|'[^']*'|[^\s,;&)}\]]+)",
            re.IGNORECASE,
        ),
        rf"\1={HIDDEN}",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w+/=.~-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), HIDDEN),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without any of `secrets` and without anything in the form of a secret."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text


def known_secrets(environment: Mapping[str, str]) -> frozenset[str]:
    """What the settings of this process keep secret: by name, from files too, and the passwords inside addresses."""
    found = {
        secret
        for name, value in environment.items()
        if _SECRET_NAME.search(name)
        for secret in _secrets_in(_content(value) if name.endswith("_FILE") else value)
    }
    return frozenset(secret for secret in found if len(secret) >= MIN_CHARACTERS)


def _secrets_in(value: str) -> Iterator[str]:
    """The passwords of an address or a connection string; of anything else, all of it."""
    passwords = [quoted or plain for quoted, plain in _PASSWORD.findall(value)]
    if "://" not in value and not passwords:
        yield value
    yield from passwords
    try:
        password = urlsplit(value).password
    except ValueError:
        password = None
    if password:
        yield from (password, unquote(password))


def _content(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""
