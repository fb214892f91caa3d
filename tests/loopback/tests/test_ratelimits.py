"""Rate limits: buckets by route and major parameter, the global one, and what nextcord makes of them."""

import nextcord

from tests.loopback import Discord, Limits, Rate, loopback
from tests.loopback.bots import running
from tests.loopback.raw import Raw, raw_client


async def test_bucket_counts_down_and_refuses(discord: Discord, raw: Raw) -> None:
    """Five messages in five seconds; the sixth gets a 429 with the wait, the scope and a Via header."""
    path = f"/channels/{discord.guild.channel().id}/messages"
    answers = [await raw("POST", path, {"content": "a"}) for _ in range(6)]
    assert [a.status for a in answers] == [200] * 5 + [429]
    assert [a.headers["X-RateLimit-Remaining"] for a in answers] == ["4", "3", "2", "1", "0", "0"]
    refused = answers[-1]
    assert 0 < refused.body["retry_after"] <= 5
    assert refused.body["global"] is False
    assert refused.headers["X-RateLimit-Scope"] == "user"
    assert int(refused.headers["Retry-After"]) >= refused.body["retry_after"]
    assert refused.headers["Via"]
    assert len(discord.guild.channel().messages) == 5
    discord.clock.advance(5)
    assert (await raw("POST", path, {"content": "a"})).status == 200


async def test_channels_have_windows_of_their_own(discord: Discord, raw: Raw) -> None:
    """The bucket has one name for a route, and counts each channel separately."""
    one, two = discord.guild.channel("general").id, discord.guild.channel("random").id
    for _ in range(5):
        first = await raw("POST", f"/channels/{one}/messages", {"content": "a"})
    second = await raw("POST", f"/channels/{two}/messages", {"content": "a"})
    assert first.headers["X-RateLimit-Bucket"] == second.headers["X-RateLimit-Bucket"]
    assert second.headers["X-RateLimit-Remaining"] == "4"


async def test_everything_together_is_limited() -> None:
    """Too many requests a second are refused globally; answers to interactions are not counted."""
    async with loopback(Limits(every_request=Rate(3, 60))) as discord, raw_client(discord) as raw:
        await raw.register({"name": "run", "description": "Run"})
        answers = [await raw("GET", "/users/@me") for _ in range(3)]
        assert [a.status for a in answers] == [200, 200, 429]
        assert answers[2].body["global"] is True
        assert answers[2].headers["X-RateLimit-Global"] == "true"
        assert answers[2].headers["X-RateLimit-Scope"] == "global"
        run = await discord.guild.member("ada").slash(discord.guild.channel(), "run")
        assert (await raw.callback(run, 4, {"content": "a"})).status == 204
        assert (await raw.follow(run, "POST", "", {"content": "b"})).status == 200


async def test_nextcord_waits_for_its_bucket() -> None:
    """A bot that sends more than the limit gets all of it through, without a single 429."""
    rates = {("POST", "/channels/{channel_id}/messages"): Rate(2, 0.3)}
    client = nextcord.Client(intents=nextcord.Intents.all())
    async with loopback(Limits(rates=rates)) as discord, running(client, discord):
        channel = client.get_channel(discord.guild.channel().id)
        assert isinstance(channel, nextcord.TextChannel)
        for number in range(5):
            await channel.send(str(number))
        assert [m.content for m in discord.guild.channel().messages] == list("01234")
        assert {r.status for r in discord.requests.matching("POST", "/channels/*")} == {200}
