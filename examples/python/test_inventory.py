"""Tests as a consumer of the gateway writes them."""

from typing import Any

from conftest import Gateway


def names(document: dict[str, Any]) -> list[str]:
    return [sddc["name"] for sddc in document["items"]]


def test_a_new_sddc_appears_and_a_failed_one_is_found(gateway: Gateway) -> None:
    sddc_id = gateway.add_sddc(name="prod-new")
    assert "prod-new" in names(gateway.newest("/sddcs"))
    gateway.change_sddc(sddc_id, sddc_state="FAILED")
    assert names(gateway.newest("/sddcs?state=FAILED&q=prod-new")) == ["prod-new"]


def test_an_outage_costs_freshness_and_no_answer(gateway: Gateway) -> None:
    before = names(gateway.newest("/sddcs"))
    gateway.break_cloud()
    assert names(gateway.newest("/sddcs")) == before


def test_a_wrong_question_is_an_error(gateway: Gateway) -> None:
    status, problem = gateway.get("/sddcs?state=REDY")
    assert (status, problem["code"]) == (400, "invalid-parameter")
    assert problem["errors"][0]["did_you_mean"] == "READY"


def test_only_callers_with_a_key_get_in(gateway: Gateway) -> None:
    assert gateway.get("/whoami")[1]["name"] == "ci"
    status, problem = gateway.get("/sddcs", {"X-API-Key": "another-key"})
    assert (status, problem["code"]) == (401, "unauthenticated")
