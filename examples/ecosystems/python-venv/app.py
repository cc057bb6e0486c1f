import getpass
import pathlib

import jinja2

if __name__ == "__main__":
    page = jinja2.Template(pathlib.Path("page.txt").read_text())
    print(page.render(name=getpass.getuser(), items=["a", "b"]))
