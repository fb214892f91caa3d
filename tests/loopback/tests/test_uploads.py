"""Uploads: sizes, forms, what an edit keeps, and the addresses that serve the bytes."""

import struct
from urllib.parse import urlsplit

import pytest

from tests.loopback import Discord, Limits, loopback
from tests.loopback.raw import Raw, raw_client

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 30, 20)


async def test_file_is_told_and_served(discord: Discord, raw: Raw) -> None:
    """A file has a name, description, size and type, and a picture has dimensions; its address serves it."""
    body = {"attachments": [{"id": 0, "filename": "a b.png", "description": "a plot"}]}
    path = f"/channels/{discord.guild.channel().id}/messages"
    [told] = (await raw("POST", path, body, {0: ("x", PNG)})).body["attachments"]
    assert told["filename"] == "a_b.png"
    assert (told["description"], told["size"], told["content_type"]) == ("a plot", len(PNG), "image/png")
    assert (told["width"], told["height"]) == (30, 20)
    async with raw.session.get(told["url"]) as response:
        assert (response.status, response.content_type) == (200, "image/png")
        assert await response.read() == PNG


async def test_address_is_signed_expires_and_goes_with_its_message(discord: Discord, raw: Raw) -> None:
    """Without its signature, a day later, or once the message is gone the bytes are not served."""
    path = f"/channels/{discord.guild.channel().id}/messages"
    posted = await raw("POST", path, {}, {0: ("a.txt", b"1")})
    url = posted.body["attachments"][0]["url"]
    async with raw.session.get(urlsplit(url)._replace(query="").geturl()) as response:
        assert response.status == 404
    discord.clock.advance(24 * 60 * 60 + 1)
    async with raw.session.get(url) as response:
        assert response.status == 404
    fresh = (await raw("GET", f"{path}/{posted.body['id']}")).body["attachments"][0]["url"]
    async with raw.session.get(fresh) as response:
        assert await response.read() == b"1"
    await raw("DELETE", f"{path}/{posted.body['id']}")
    async with raw.session.get(fresh) as response:
        assert response.status == 404


@pytest.mark.parametrize(("sizes", "code"), [([10], 0), ([11], 40005), ([10, 10], 0), ([10, 10, 10], 40005)])
async def test_sizes_are_limited(sizes: list[int], code: int) -> None:
    """A file, and a request as a whole, has a size limit; beyond it is a 413."""
    async with loopback(Limits(file=10, request=25)) as discord, raw_client(discord) as raw:
        files = {n: (f"{n}.txt", b"a" * size) for n, size in enumerate(sizes)}
        answer = await raw("POST", f"/channels/{discord.guild.channel().id}/messages", {}, files)
        assert answer.code == code
        assert (answer.status == 413) is bool(code)
        assert len(discord.guild.channel().messages) == (not code)


async def test_ten_files_and_no_more(discord: Discord, raw: Raw) -> None:
    """The eleventh file is against the rules."""
    path = f"/channels/{discord.guild.channel().id}/messages"
    assert (await raw("POST", path, {}, {n: (f"{n}", b"1") for n in range(10)})).status == 200
    assert (await raw("POST", path, {}, {n: (f"{n}", b"1") for n in range(11)})).code == 50035
    assert "11 files" in discord.violations()[0]


async def test_edit_keeps_what_it_lists(discord: Discord, raw: Raw) -> None:
    """An edit without `attachments` keeps all; with it, only what it lists, old and new."""
    path = f"/channels/{discord.guild.channel().id}/messages"
    posted = (await raw("POST", path, {"content": "a"}, {0: ("a", b"1"), 1: ("b", b"2")})).body
    path += "/" + posted["id"]
    [message] = discord.guild.channel().messages

    def names() -> list[str]:
        return [a.filename for a in message.attachments]

    await raw("PATCH", path, {"content": "b"})
    assert names() == ["a", "b"]
    listed = [{"id": posted["attachments"][1]["id"]}, {"id": 0, "filename": "c"}]
    await raw("PATCH", path, {"attachments": listed}, {0: ("x", b"3"), 1: ("not listed", b"4")})
    assert names() == ["b", "c"]
    assert (await raw("PATCH", path, {"attachments": [{"id": "123"}]})).code == 50035
    await raw("PATCH", path, {"attachments": []})
    assert names() == []
    assert [len(s.attachments) for s in message.history_of_states] == [2, 2, 2, 0]


async def test_edit_may_not_empty_a_message(discord: Discord, raw: Raw) -> None:
    """A message needs text, embeds or files: an edit that removes them all is refused and changes nothing."""
    path = f"/channels/{discord.guild.channel().id}/messages"
    path += "/" + (await raw("POST", path, {"content": "a"})).body["id"]
    assert (await raw("PATCH", path, {"content": ""})).code == 50006
    assert discord.guild.channel().messages[0].content == "a"
    assert "empty message" in discord.violations()[0]


async def test_callback_and_followup_take_files(discord: Discord, raw: Raw) -> None:
    """Files can be sent with an interaction's answer and followups as well."""
    await raw.register({"name": "run", "description": "Run"})
    run = await discord.guild.member("ada").slash(discord.guild.channel(), "run")
    assert (await raw.callback(run, 4, {"flags": 64}, files={0: ("a", b"1")})).status == 204
    assert (await raw.follow(run, "POST", "", {"content": "b"}, files={0: ("b", b"2")})).status == 200
    assert [m.attachments[0].data for m in run.messages] == [b"1", b"2"]
    assert run.messages[0].attachments[0].ephemeral
