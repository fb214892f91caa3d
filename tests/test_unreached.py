"""The product has no dead code: every function, method and constant is used by another part of it."""

from pathlib import Path

from vulture import Vulture

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("bench", "bot", "config", "docs", "filestore", "kernels")
CONFIDENCE = 60  # percent; vulture then reports all that it can find

# Only a library calls or reads these: the library, the module, and the names in it.
FOR_LIBRARIES: tuple[tuple[str, str, str], ...] = (
    (
        "nextcord",
        "bot/discord",
        (
            "on_application_command_error on_disconnect on_raw_message_edit on_resumed on_timeout"
            " _buckets recreate dm_messages guild_messages guilds message_content"
            " complete_checkpoint complete_file help interaction_check privacy run_message"
        ),
    ),
    ("logging", "bot/discord/supervise.py", "exc_text"),
    ("zipfile", "bot/notebooks/zipping.py", "compress_type"),
    (
        "prompt_toolkit",
        "bot/terminal",
        "get_completions get_completions_async complete_event on_text_changed",
    ),
    ("pydantic", "config/settings.py", "model_config"),
    ("sqlite3", "filestore/sqlite/database.py", "row_factory"),
    (
        "ipykernel",
        "kernels/inside",
        (
            "_abort_queues _aborting _exc _flush_pending _input_request"
            " _location_isset _setup_event_pipe _setup_pipe_in _setup_stream_redirects _startTime"
            " _subprocess_flush_pending _tee columns_request debug_shell_socket"
            " debugpy_socket init_control init_poller load_request location packer parent_thread"
            " post_handler_hook pre_handler_hook save_request schedule shell_channel_thread shell_class"
            " subshell_id"
        ),
    ),
    ("zmq", "kernels/inside/program.py", "copy_threshold linger router_handover sndhwm"),
    ("matplotlib_inline", "kernels/inside/state/surroundings/options.py", "_draw_called"),
    ("IPython", "kernels/inside", "gui init_display_formatter ipython_dir starting_dir use_jedi"),
    ("jedi and parso", "kernels/inside/confinement/fresh.py", "_default_cache_path cache_directory"),
    ("pandas", "kernels/inside/files/stored.py", "_constructor"),
    ("pickle", "kernels/inside/state/pickling", "persistent_id persistent_load reducer_override"),
    ("tqdm", "kernels/inside/libraries/bars.py", "tnrange tqdm_notebook"),
    ("PIL", "kernels/inside/scratch/drawing.py", "MAX_IMAGE_PIXELS"),
    (
        "Python itself",
        "kernels/inside",
        (
            "USER_BASE USER_SITE __signature__ line_buffering orig_argv readinto unraisablehook"
            " writable write_through"
        ),
    ),
    ("asyncio, of which a task must be kept", "kernels/inside/program.py", "_insisting"),
    (
        "json, which tells them to the forked child",
        "kernels/sandbox/policy.py",
        "gid_map landlock rlimits",
    ),
    ("tornado", "kernels/node", "add_sockets data_received max_message_size write_error"),
    (
        "jupyter_server",
        "kernels/node/server.py",
        (
            "_jupyter_server_extension_points _start_jupyter_server_extension default_services"
            " initialize_handlers load_other_extensions stop_extension"
        ),
    ),
    (
        "jupyter_client",
        "kernels",
        "_connect_control_socket _dateutil_parse _kernel_spec cleanup has_process launch_kernel",
    ),
)


def test_nothing_is_unreached() -> None:
    """Unused code has to be deleted; only what a library uses is listed above, and nothing else."""
    vulture = Vulture()
    vulture.scavenge([str(ROOT / package) for package in PRODUCT])
    found = {
        (str(item.filename.relative_to(ROOT)), item.name)
        for item in vulture.get_unused_code(min_confidence=CONFIDENCE)
    }
    named = [(folder, name) for _, folder, names in FOR_LIBRARIES for name in names.split()]
    unreached = [
        f"{path}: {name}"
        for path, name in sorted(found)
        if not any(name == known and path.startswith(folder) for folder, known in named)
    ]
    assert unreached == []
    needless = [
        f"{folder}: {name}"
        for folder, name in named
        if not any(name == other and path.startswith(folder) for path, other in found)
    ]
    assert needless == [], "these are used, or gone: they need not be named"
