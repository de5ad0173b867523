"""A pytest fixture that gives tests a gateway of their own: `sddc-gateway demo`, in front of a simulated VMware Cloud.

Needs the `sddc-gateway` program (on the PATH, or named by the variable SDDC_GATEWAY) and nothing beside the standard library.
"""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

KEY = "a-key-for-tests"


class Gateway:
    """A running gateway, and the controls of the VMware Cloud behind it (`GET {control}` describes them)."""

    def __init__(self, url: str, control: str) -> None:
        self.url = url
        #: `http://host:port/__`
        self.control = control
        self.key = KEY

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Asks the gateway: the status, and the document."""
        headers = {"X-API-Key": self.key, **(headers or {})}
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as failure:
            return failure.code, json.load(failure)

    def newest(self, path: str) -> Any:
        """What the gateway answers once it has read VMware Cloud again: for tests that have just changed something.

        A caller may force six reads a minute; the demo reads by itself every two seconds.
        """
        status, document = self.get(path, {"Cache-Control": "no-cache"})
        assert status == 200, document
        return document

    def tell(self, method: str, path: str, body: Any = None) -> Any:
        """Uses a control: changes VMware Cloud, or breaks it."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def add_sddc(self, **fields: Any) -> str:
        """Adds an SDDC with these of VMware's fields; gives its id."""
        return str(self.tell("POST", "sddcs", fields)["id"])

    def change_sddc(self, sddc_id: str, **fields: Any) -> None:
        """Changes an SDDC: `sddc_state="FAILED"`."""
        self.tell("PATCH", f"sddcs/{sddc_id}", fields)

    def break_cloud(self, **fault: Any) -> str:
        """Has VMware Cloud answer 503, or what `fault` says, until `mend_cloud`; gives the fault's id."""
        return str(self.tell("POST", "faults", {"target": "vmc", "kind": "status", "status": 503, **fault})["id"])

    def mend_cloud(self) -> None:
        """Ends all faults."""
        self.tell("DELETE", "faults")


@pytest.fixture(scope="session")
def demo() -> Iterator[Gateway]:
    """One gateway for all tests. It stands still: SDDCs change only when a test changes them."""
    any_port = "127.0.0.1:0"
    command = [os.environ.get("SDDC_GATEWAY", "sddc-gateway"), "demo", "--still", "--seed", "7", "--key", f"ci:{KEY}"]
    for flag in ["--listen", "--ops-listen", "--control-listen"]:
        command += [flag, any_port]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            urls: dict[str, str] = {}
            assert process.stdout is not None
            for line in process.stdout:
                name, _, url = line.strip().partition(" ")
                urls[name] = url.strip()
                if name == "controls":
                    break
            else:
                pytest.fail("the demo did not start")
            yield Gateway(urls["SDDCs"].removesuffix("/sddcs"), urls["controls"])
        finally:
            process.terminate()


@pytest.fixture
def gateway(demo: Gateway) -> Iterator[Gateway]:
    """The gateway in front of a VMware Cloud that works."""
    yield demo
    demo.mend_cloud()
