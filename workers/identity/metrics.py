"""What identity's worker counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

MAILS = Counter("botberi_identity_mails_total", "Mails by what became of a try to send them.", ["kind", "outcome"])
MAILS_WAITING = Gauge("botberi_identity_mails_waiting", "Mails that are not sent yet.", multiprocess_mode="max")
