"""One HTTP exchange with a Domino server, and what its failure means for a lookup.

Domino keeps a connection for five requests, closes it after any answer of 400 or more, and may close an idle one at
the moment when a request goes out on it.
"""

from __future__ import annotations

from agi.domino.errors import DominoLate, DominoNotData, DominoUnreachable
from host.http import (
    BodyCompressed,
    BodyTooLarge,
    DeadlinePassed,
    HttpError,
    HttpRequest,
    HttpResponse,
    NoAddress,
    TlsRefused,
)
from host.http.client import HttpClient


class DominoClient:
    """One Domino site.

    Args:
        base: such as "http://domino-local:80".
        host_header: whom to ask for, where the site is chosen by name; None: the name in `base`, which matches no site
            of Domino's, so that the address decides.
        keep: idle connections to keep. 0 for a process that asks once.
        tls_host_name, tls_ca_file: for https; Domino's certificate never names an alias.

    Its answers have at most host.http.client.BODY_LIMIT bytes: ten rows of a view are a few thousand.
    Cookies are handled by the login itself, since those with a Domain never match an alias without a dot.
    """

    def __init__(
        self,
        base: str,
        *,
        host_header: str | None = None,
        keep: int = 0,
        tls_host_name: str | None = None,
        tls_ca_file: str | None = None,
    ) -> None:
        self._client = HttpClient(
            base, host_header=host_header, keep=keep, tls_host_name=tls_host_name, tls_ca_file=tls_ca_file
        )

    def exchange(self, request: HttpRequest, deadline: float) -> HttpResponse:
        """Sends `request` and reads the whole response.

        Args:
            deadline: time.monotonic() seconds.

        Raises:
            DominoLate, DominoUnreachable, DominoNotData
        """
        try:
            return self._client.exchange(request, deadline)
        except DeadlinePassed as late:
            raise DominoLate(str(late)) from None
        except (BodyTooLarge, BodyCompressed) as odd:
            raise DominoNotData(f"{odd}, which is no answer to a lookup") from None
        except TlsRefused as refused:
            raise DominoUnreachable(f"{refused}. Check tls_host_name and tls_ca_file") from None
        except NoAddress as nameless:
            raise DominoUnreachable(f"{nameless}; `render-localized` writes it to /etc/hosts") from None
        except HttpError as error:
            raise DominoUnreachable(str(error)) from None

    def close(self) -> None:
        """Closes the idle connections."""
        self._client.close()
