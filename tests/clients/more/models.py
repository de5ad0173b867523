"""What a Python program does with the models that datamodel-code-generator makes of the document."""

import os
import urllib.error
import urllib.request

from generated.models import Caller, PageHost, PageSddc, PageSddcPart, PageTask, Problem


def text(path: str) -> bytes:
    request = urllib.request.Request(os.environ["BASE_URL"] + path, headers={"X-API-Key": os.environ["KEY"]})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as failure:
        return failure.read()


sddcs = PageSddc.model_validate_json(text("/sddcs?include=clusters,hosts"))
assert sddcs.items and sddcs.items[0].id and sddcs.items[0].clusters is not None
assert PageSddcPart.model_validate_json(text("/sddcs?fields=id,name")).items[0].state is None
assert PageHost.model_validate_json(text("/hosts")).items
assert PageTask.model_validate_json(text("/tasks")).items
assert Caller.model_validate_json(text("/whoami")).name == "ci"
assert Problem.model_validate_json(text("/sddcs?state=REDY")).code == "invalid-parameter"
