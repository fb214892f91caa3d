"""Draws a conversation as Discord's dark theme shows it.

    .venv-kernels/bin/python -m docs.pictures.drawing out.png < conversation.json

It runs on the kernels' Python, which has Pillow and matplotlib's fonts, and imports only itself.
A conversation is an object:

    place   the title, such as "# general"
    names   the names of mentioned users, by id
    items   messages, forms and pauses, in order

A message (`"type": "message"`) has `author`, `bot`, `time` (as shown), `now` (seconds since 1970), `content`,
`edited`, `ephemeral`, `reply` (`author`, `bot`, `content`, or null), `command` (`author`, `name`, or null),
`attachments` (`name`, and `data` in base64), `rows` of Discord's components, and `opened` when its menu is. A
form has `title`, and `fields` with `label` and `value`; a pause has `text`.
"""
