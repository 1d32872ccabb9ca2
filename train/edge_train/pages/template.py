"""Pages that need nothing else: no other file, no network, no scripts."""

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def filled_in(package: str, template: str, **values: Any) -> str:
    """A page: a template with `values` in it, in which all text is escaped.

    Args:
        package: the package that the template is in, such as "edge_export.report".
        template: its name, such as "page.html.j2"; what it includes is in `package` or here: "style.css".
        values: what the template names.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("edge_train.pages", "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(**values)
    # A file's name may hold bytes that are not text.
    return page.encode(errors="replace").decode()
