"""What a Python program does with the client that openapi-python-client makes of the document."""

import os

from sddc_gateway_client import AuthenticatedClient
from sddc_gateway_client.api.caller import show_caller
from sddc_gateway_client.api.discovery import discover_targets
from sddc_gateway_client.api.sddcs import list_sddcs, show_sddc
from sddc_gateway_client.api.tasks import list_tasks
from sddc_gateway_client.models import (
    Caller,
    DiscoverTargetsTarget,
    ListSddcsFieldsItem,
    ListSddcsIncludeItem,
    ListSddcsProviderNotItem,
    ListSddcsSort,
    ListSddcsStateItem,
    PageSddc,
    PageSddcPart,
    PageTask,
    Problem,
    Sddc,
)
from sddc_gateway_client.types import UNSET


def main() -> None:
    client = AuthenticatedClient(base_url=os.environ["BASE_URL"], token=os.environ["KEY"])

    def page(cursor: str | None = None) -> PageSddc:
        """A list, with a parameter of each kind."""
        answer = list_sddcs.sync(
            client=client,
            state=[ListSddcsStateItem.READY, ListSddcsStateItem.FAILED],
            provider_not=[ListSddcsProviderNotItem.ZEROCLOUD],
            created_at_gte="2000-01-01T00:00:00Z",
            host_count_lte=1000,
            include=[ListSddcsIncludeItem.CLUSTERS, ListSddcsIncludeItem.HOSTS],
            sort=ListSddcsSort.VALUE_5,
            limit=2,
            cursor=cursor or UNSET,
            cache_control="max-age=60",
        )
        assert isinstance(answer, PageSddc), answer
        return answer

    first = page()
    assert len(first.items) == 2 and isinstance(first.next_cursor, str)
    assert isinstance(first.items[0].clusters, list)
    assert page(first.next_cursor).items[0].id != first.items[0].id

    # A part of each document: what was not asked for is not there, and its type says so.
    part = list_sddcs.sync(client=client, fields=[ListSddcsFieldsItem.ID, ListSddcsFieldsItem.NAME])
    assert isinstance(part, PageSddcPart)
    assert all(isinstance(sddc.id, str) and sddc.state is UNSET for sddc in part.items)

    # One document, and 304 for who has it.
    known = first.items[0]
    one = show_sddc.sync_detailed(known.id, client=client)
    assert isinstance(one.parsed, Sddc) and one.parsed.created_at == known.created_at
    same = show_sddc.sync_detailed(
        known.id, client=client, wait="0s", if_none_match=one.headers["etag"]
    )
    assert same.status_code == 304

    # A failure is a problem, whose code a program branches on.
    lost = show_sddc.sync("none", client=client)
    assert isinstance(lost, Problem) and lost.code == "sddc-not-found" and not lost.retryable

    me = show_caller.sync(client=client)
    assert isinstance(me, Caller) and me.name == "ci" and me.rate is None
    targets = discover_targets.sync(client=client, target=DiscoverTargetsTarget.VCENTER)
    assert isinstance(targets, list) and targets[0].targets[0].endswith(":443")
    assert isinstance(list_tasks.sync(client=client, progress_percent_gte=100), PageTask)


main()
