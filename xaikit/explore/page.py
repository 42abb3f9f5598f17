"""The page of ``xaikit explore``: gradio, bound to this machine, that asks nobody outside for anything."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xaikit.errors import ConfigError, XaikitError
from xaikit.explore.guards import ContentPolicy, OwnPage, PicturesAlone
from xaikit.explore.session import MOST_BYTES, Choice, Session

HOST = "127.0.0.1"
_A_DAY = (86400, 86400)


def serve(
    session: Session, *, port: int | None = None, opens: bool = False, tell: Callable[[str], object] = print
) -> None:
    """Serve the page until somebody interrupts.

    Args:
        port: a free one by default.
        opens: a browser.
        tell: is told the address.

    Raises:
        ConfigError: gradio is not installed (extra ``ui``), or the port is taken.
    """
    if importlib.util.find_spec("gradio") is None:
        raise ConfigError("gradio is not installed: pip install 'xaikit[ui]'")
    session.uploads.mkdir(parents=True, exist_ok=True)
    # read by gradio when it is imported
    quiet = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    os.environ.update({**quiet, "GRADIO_TEMP_DIR": str(session.uploads)})
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    page = blocks(session)
    guards = [
        Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
        Middleware(OwnPage),
        Middleware(PicturesAlone),
        Middleware(ContentPolicy),
    ]
    try:
        _, address, _ = page.launch(
            server_name=HOST,
            server_port=port,
            share=False,
            inbrowser=opens,
            max_file_size=MOST_BYTES,
            allowed_paths=[],
            enable_monitoring=False,
            ssr_mode=False,
            quiet=True,
            footer_links=[],
            prevent_thread_lock=True,
            theme=_theme(),
            app_kwargs={"middleware": guards},
        )
    except OSError as error:
        raise ConfigError(f"--port: {error}") from error
    tell(f"{address} until Ctrl-C; everything it writes is in {session.folder}")
    page.block_thread()


def blocks(session: Session) -> Any:
    """The page: choices to the left, maps to the right."""
    import gradio as gr

    with gr.Blocks(title=f"xaikit: {session.config.name}", analytics_enabled=False, delete_cache=_A_DAY) as page:
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                chosen, button = _choices(session)
            with gr.Column(scale=3):
                results = _results()
        picture, _, _, layers, target = chosen
        gr.on(
            [picture.input, button.click, target.submit],
            lambda *values: shown(session, *values),
            chosen,
            results,
            api_name="explain",
        ).then(
            lambda *values: gr.Dropdown(choices=list(layer_choices(session, *values))),
            chosen,
            [layers],
            api_name="layers",
            show_progress="hidden",
        )
    return page


def _choices(session: Session) -> tuple[list[Any], Any]:
    """Picture, model, methods, layers and target; and the button."""
    import gradio as gr

    models, methods = list(session.models), list(session.methods)
    sources: Any = ["upload", "clipboard"]
    return [
        gr.Image(label="Picture", type="filepath", image_mode=None, sources=sources, height=260, elem_id="picture"),
        gr.Dropdown(models, value=models[0], label="Model", visible=len(models) > 1),
        gr.Dropdown(methods, value=list(session.config.methods), multiselect=True, label="Methods"),
        gr.Dropdown([], multiselect=True, allow_custom_value=True, label="Layers", info="none: as the config says"),
        gr.Textbox(label="Target", placeholder="as the config says; or top3, 281, tabby cat", elem_id="target"),
    ], gr.Button("Explain", variant="primary", elem_id="explain")


def _results() -> list[Any]:
    """Maps, notes and YAML."""
    import gradio as gr

    return [
        gr.Gallery(label="Maps", format="png", columns=3, height="auto", object_fit="contain", elem_id="maps"),
        gr.Textbox(label="Notes", lines=2, interactive=False, elem_id="notes"),
        gr.Code(label="The same as YAML", language="yaml", interactive=False, elem_id="yaml"),
    ]


def shown(
    session: Session, picture: str | None, model: str, methods: Sequence[str], layers: Sequence[str] | None, target: str
) -> tuple[list[tuple[Any, str]], str, str]:
    """What the page shows of a choice: maps with captions, notes, YAML; an error is a note."""
    if not picture:
        return [], "drop a picture first", ""
    try:
        explored = session.explore(Choice(Path(picture), model, methods, layers or (), target or ""))
    except XaikitError as error:
        return [], f"{type(error).__name__}: {error}", ""
    return list(explored.overlays), "\n".join(explored.notes), explored.yaml


def layer_choices(
    session: Session, picture: str | None, model: str, methods: Sequence[str], layers: Sequence[str] | None, target: str
) -> Sequence[str]:
    """The layers of the model, where they can be had."""
    if not picture:
        return layers or ()
    try:
        return session.layers(Choice(Path(picture), model, methods))
    except XaikitError:  # the maps' notes have said it
        return layers or ()


def _theme() -> Any:
    """The fonts of the system: none is fetched."""
    import gradio as gr

    return gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
