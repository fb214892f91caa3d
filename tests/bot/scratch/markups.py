"""Markup that the tests draw."""

SQUARE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">'
    '<rect x="5" y="5" width="30" height="30" fill="tomato"/></svg>'
)
TABLE = (
    "<table><thead><tr><th></th>"
    + "".join(f"<th>measure {n}</th>" for n in range(9))
    + "</tr></thead><tbody>"
    + "".join(f"<tr><th>{n}</th>" + f"<td>{n}.5</td>" * 9 + "</tr>" for n in range(60))
    + "</tbody></table>"
)
