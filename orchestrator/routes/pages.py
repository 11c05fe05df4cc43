"""People read the documentation on pages that load nothing from the internet: /docs and /redoc."""

from importlib import resources

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.routing import Route

from ..http import tagged, without_key

# The pages whose inline scripts are this service's own, and what their styles may be beside files:
# ReDoc's script writes styles as it runs, and shows nothing without them.
PAGES = {"/docs": "", "/docs/oauth2-redirect": "", "/redoc": " 'unsafe-inline'"}

router = APIRouter()

_REDOC = "redoc.standalone.js"
# ReDoc's script loads this picture from the internet whenever it is shown.
_REDOC_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"


@router.get("/favicon.ico", include_in_schema=False)
@without_key
async def favicon() -> Response:
    """Nothing: browsers ask for it by themselves, and a 404 of theirs would stand in every log."""
    return Response(status_code=204, headers={"Cache-Control": "max-age=86400"})


def serve_redoc_without_its_logo(app: FastAPI) -> None:
    """Serves ReDoc's script, without what it loads from elsewhere, in place of the package's."""
    script = resources.files("fastapi_offline").joinpath("static", _REDOC).read_text("utf-8")
    body = script.replace(_REDOC_LOGO, "data:,").encode()

    @tagged
    async def redoc_script(_: Request) -> Response:
        return Response(body, media_type="text/javascript")

    # Before the package's own files, which are mounted already.
    app.router.routes.insert(0, Route(f"/static-offline-docs/{_REDOC}", redoc_script))


def tag_the_description(app: FastAPI) -> None:
    """Gives the OpenAPI description, whose route is the framework's, an ETag."""
    for route in app.routes:
        if isinstance(route, Route) and route.path == app.openapi_url:
            tagged(route.endpoint)
