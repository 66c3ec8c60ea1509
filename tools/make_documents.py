"""Write documents of every kind, and what independent readers find in them: `tabagent-runtime/tests/fixtures/documents`.

    python -m venv .venv-documents && .venv-documents/bin/pip install -r tools/requirements-documents.txt
    .venv-documents/bin/python tools/make_documents.py

`reference.json` has for each file its title and its words in the order in which they are read; for a PDF page by page. PDFs are
written by reportlab and read by pypdf; pdfminer, which orders lines by where they stand, has to find the same words. Pages of
HTML are read into a tree by html5lib, as browsers do it; out of that are left the elements that say nothing of the text, and what
is hidden. Markdown is turned to HTML by markdown-it, and read in the same way.
"""

import io
import json
import random
import re
from pathlib import Path

import html5lib
import pypdf
from markdown_it import MarkdownIt
from pdfminer.high_level import extract_text
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen import canvas
from reportlab.platypus import BaseDocTemplate, Frame, ListFlowable, PageBreak, PageTemplate, Paragraph, Table

OUT = Path(__file__).resolve().parent.parent / "tabagent-runtime" / "tests" / "fixtures" / "documents"
NOUNS = "river bridge harbour engine letter garden window winter station market island signal".split()
VERBS = "crosses opens carries leaves follows measures repairs remembers".split()
# What the reader passes over: its own choice, and nothing that another program could say.
LEFT_OUT = set(
    "script style nav noscript template svg math iframe object form button select textarea footer aside dialog canvas audio video "
    "head noframes noembed".split()
)
INLINE = set("a abbr b bdi bdo cite code em i kbd mark q s samp small span strong sub sup time u var font tt ins del".split())


def sentences(seed, count):
    choose = random.Random(seed)
    return [f"The {choose.choice(NOUNS)} {choose.choice(VERBS)} the {choose.choice(NOUNS)} {n}." for n in range(count)]


def pdf(build, title):
    out = io.BytesIO()
    build(out, title)
    return out.getvalue()


def lines(out, title):
    """Lines at their places, in fonts that every reader has, with letters beyond ASCII."""
    page = canvas.Canvas(out, pagesize=A4, invariant=1)
    page.setTitle(title)
    for number, font in enumerate(["Helvetica", "Times-Roman", "Courier-Bold"]):
        text = page.beginText(60, 760)
        text.setFont(font, 11)
        for line in sentences(number, 30):
            text.textLine(line)
        text.textLine("Le caf\u00e9 co\u00fbte 3 \u20ac; Gr\u00f6\u00dfe \u201cof all\u201d \u2013 na\u00efve \u00c6on.")
        page.drawText(text)
        page.showPage()
    page.save()


def columns(out, title):
    """Two columns of paragraphs that are set to both edges, in a font of the file's own, and a list and a table behind them."""
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    style = ParagraphStyle("text", fontName="Vera", fontSize=9, leading=12, alignment=4, spaceAfter=8)
    document = BaseDocTemplate(out, pagesize=A4, title=title, invariant=1)
    frames = [Frame(50, 60, 230, 720, id="left"), Frame(310, 60, 230, 720, id="right")]
    document.addPageTemplates(PageTemplate(frames=frames))
    story = [Paragraph(" ".join(sentences(100 + n, 6)) + " Fa\u00e7ade, \u0153uvre.", style) for n in range(14)]
    story += [PageBreak(), ListFlowable([Paragraph(line, style) for line in sentences(7, 4)], bulletType="1")]
    story += [Table([["Name", "Size"], ["river", "long"], ["bridge", "short"]])]
    document.build(story)


def words(text):
    return text.split()


def read_pdf(content):
    reader = pypdf.PdfReader(io.BytesIO(content))
    pages = [words(page.extract_text()) for page in reader.pages]
    # The other one may take lines in another order.
    other = [words(part) for part in extract_text(io.BytesIO(content)).split("\f")[: len(pages)]]
    for number, (one, two) in enumerate(zip(pages, other, strict=True), 1):
        if sorted(one) != sorted(two):
            difference = set(one) ^ set(two)
            raise SystemExit(f"page {number}: pypdf and pdfminer do not read the same words: {difference}")
    return {"title": reader.metadata.title, "pages": pages}


def local(element):
    return element.tag.split("}")[-1] if isinstance(element.tag, str) else None


def text_of(element, out):
    name = local(element)
    hidden = element.get("hidden") is not None or element.get("aria-hidden") == "true"
    if name is None or name in LEFT_OUT or hidden or element.get("role") in {"navigation", "search", "contentinfo"}:
        return
    apart = name not in INLINE
    if apart:
        out.append(" ")
    if name == "img":
        out.append(element.get("alt", ""))
    out.append(element.text or "")
    for child in element:
        text_of(child, out)
        out.append(child.tail or "")
    if apart:
        out.append(" ")


def read_html(text):
    tree = html5lib.parse(text)
    title = next((element.text for element in tree.iter() if local(element) == "title"), None)
    out = []
    text_of(next(element for element in tree.iter() if local(element) == "body"), out)
    return {"title": title and " ".join(title.split()), "words": words("".join(out))}


PAGE = """<!DOCTYPE html>
<HTML lang=en><HEAD><meta charset="CHARSET"><TITLE>Rivers &amp; their
 bridges</TITLE><style>p > b { color: red }</style><script>if (1 < 2) { document.write("<p>never</p>") }</script></HEAD>
<BODY onload="a > b"><nav><ul><li>Home<li>Contact</ul></nav><header><p>Above all</header>
<h1>Rivers<small> of the north</small></h1><p>SENTENCE0 <b>bold<i>both</b>italic</i> caf\u00e9 &eacute;t&#233; &#x20AC; &lt;tag&gt; &copy 2024 &nosuch;
<p>SENTENCE1<br>SENTENCE2<p title="a > b">un<em>bro</em>ken <a href='x?a=1&b=2'>link</a><!-- a comment <p>no</p> -->
<ul><li>first<li>second <ul><li>inner one</li><li>inner two</ul><li>third</ul>
<dl><dt>term<dd>meaning one<dd>meaning two</dl>
<table><caption>Sizes</caption><thead><tr><th>Name<th>Size<tbody><tr><td>river<td>long<tr><td><p>bridge</p><td>short</table>
<div><div><section><p>SENTENCE3</section>loose text</div></div></p></span>
<pre>  kept   as
  it is</pre><blockquote>SENTENCE4</blockquote><figure><img src=a.png alt="a picture"><figcaption>Of it</figcaption></figure>
<div hidden>hidden one</div><div aria-hidden="true">hidden two</div><div role="navigation">hidden three</div>
<select><option>one<option>two</select><textarea><p>typed</p></textarea><noscript>no script</noscript>
<svg><title>drawing</title><text>drawn</text></svg><p>SENTENCE5 <span>H<sub>2</sub>O</span> <q>quoted</q>&nbsp;end
<footer>Foot <p>of it</footer></BODY></HTML>
"""

GUIDE = """\
---
title: The guide of rivers
---

# Rivers *of the* north

SENTENCE0 A [link](http://example.org/a_b "title") and `code span`, **bold _both_**, a\\*star, &amp; an entity, <b>raw</b> HTML,
a line that goes on.\\
Hard break. ![a picture](a.png) <http://example.org/auto>

Setext heading
--------------

* first
* second

  SENTENCE1
  1. inner one
  2. inner two
* third

> SENTENCE2
> > SENTENCE3

```python
def measure(river):

    return river.length  # metres
```

    indented code

| Name   | Size |
|--------|-----:|
| river  | long |
| bridge | `a`  |

***

[reference]: http://example.org/r
Text with a [reference] and ~~struck~~ words. SENTENCE4
"""


def filled(text):
    for number, sentence in enumerate(sentences(42, 6)):
        text = text.replace(f"SENTENCE{number}", sentence)
    return text


def read_markdown(text):
    front, body = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL).groups()
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(body)
    return {"title": front.removeprefix("title: "), "words": read_html(f"<body>{rendered}")["words"]}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    reference = {}
    for name, build, title in [("lines.pdf", lines, "Lines in three fonts"), ("columns.pdf", columns, "Two columns")]:
        content = pdf(build, title)
        (OUT / name).write_bytes(content)
        reference[name] = read_pdf(content)
    for name, charset in [("page.html", "utf-8"), ("latin.html", "iso-8859-1")]:
        text = filled(PAGE).replace("CHARSET", charset)
        (OUT / name).write_bytes(text.encode(charset))
        reference[name] = read_html(text)
    guide = filled(GUIDE)
    (OUT / "guide.md").write_text(guide)
    reference["guide.md"] = read_markdown(guide)
    (OUT / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")
    for path in sorted(OUT.iterdir()):
        print(f"{path.stat().st_size:>7} {path.name}")


if __name__ == "__main__":
    main()
