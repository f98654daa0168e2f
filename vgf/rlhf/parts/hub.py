"""Models and datasets of the hub by name, with one quick answer where the hub cannot be reached.

The client libraries retry for half a minute before they give up. So the hub is knocked at once, for a second or two;
what is in its cache already is used without. Nothing is ever put in place of what was asked for.
"""

from __future__ import annotations

import os
import socket
import threading
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

PROBE_SECONDS = 2.0
WEIGHTS = ["*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "token*", "vocab*"]
WEIGHTS += ["merges.txt", "special_tokens_map.json", "added_tokens.json"]


def local_or_hub(name: str) -> Path:
    """Return the folder of a model: a folder as it is, else the hub's snapshot, from its cache or fetched now.

    Raises:
        ValueError: if it is neither here nor to be had, in one line and within seconds.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ValueError(f"{name}: no such folder; give a folder with a model, or a name of the hub (owner/name)")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        cached = Path(snapshot_download(name, allow_patterns=WEIGHTS, local_files_only=True))
        if any(cached.glob("*.safetensors")):
            return cached
    except HFValidationError:
        raise ValueError(f"{name!r} is neither a folder nor a name of the hub (owner/name)") from None
    except LocalEntryNotFoundError:
        pass
    require_hub(f"model {name}", "`--model FOLDER` if you have it, or leave --model out for the embedded SmolLM2-135M")
    try:
        return Path(snapshot_download(name, allow_patterns=WEIGHTS))
    except (HfHubHTTPError, OSError) as error:
        raise ValueError(f"model {name}: the hub did not give it ({' '.join(str(error).split())[:160]})") from None


def require_hub(what: str, remedy: str) -> None:
    """Do nothing if the hub answers.

    Raises:
        ValueError: within seconds if it does not, naming what is wanted and what to do instead.
    """
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        raise ValueError(f"{what}: not in the hub's cache, and HF_HUB_OFFLINE is set; unset it, or {remedy}")
    faults: list[str] = ["no answer"]
    probe = threading.Thread(target=_probe, args=(address, faults), daemon=True)
    probe.start()
    probe.join(2 * PROBE_SECONDS)  # looking up a name has no time limit of its own
    if faults:
        raise ValueError(f"{what}: not in the cache and {address} cannot be reached ({faults[-1]}); use {remedy}")


def _probe(address: str, faults: list[str]) -> None:
    """Empty `faults` if something answers at an address, or add what is wrong."""
    proxy = urllib.request.getproxies().get(urlsplit(address).scheme)
    parts = urlsplit(proxy or address)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=PROBE_SECONDS).close()
        if proxy:  # that the proxy is there says nothing of what lies behind it
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PROBE_SECONDS).close()
        faults.clear()
    except OSError as error:
        faults.append(" ".join(str(error).split())[:80])


def silence_transformers() -> None:
    """Keep transformers from drawing bars and giving advice while it loads."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
