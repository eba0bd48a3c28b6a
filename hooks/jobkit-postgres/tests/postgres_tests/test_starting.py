"""`jobkit start` while the server is not itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgres_tests.deployments import Deployment, ended
from postgres_tests.kit import made
from postgres_tests.server import Server, thaw

pytestmark = pytest.mark.waits


@pytest.mark.timeout(120, method="signal")
def test_a_server_that_stands_still_at_the_start(own_server: Server, tmp_path: Path) -> None:
    """It takes connections and says nothing: whoever does not wait for it gives up, and says so; whoever does
    begins when it goes on."""
    made(own_server, "jobkit", "shop")
    deployment = Deployment(tmp_path, own_server, jobs=1)
    with ended(deployment):
        frozen = own_server.freeze()
        try:
            waiting = deployment.start("--wait-store", "100s")
            impatient = deployment.start()
            assert impatient.wait(60) == 6
            said = deployment.log(1).read_text(encoding="utf-8")
            assert "JK602" in said
            assert waiting.poll() is None, deployment.said()
        finally:
            thaw(frozen)
        deployment.until("SELECT 1 FROM jobkit.runs WHERE status = 'succeeded'")
        assert deployment.stop() == [0]
