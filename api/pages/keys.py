"""Who may come in, and what each may do there."""

from typing import Final

from flask import g, render_template

from api.auth import requires
from api.pages.site import blueprint
from api.routes.keys import views
from api.services import services
from overheard.store.keys import Role

MAY: Final = {
    Role.viewer: "read, and have texts scored",
    Role.labeller: "say what posts feel",
    Role.operator: "run it: brands, feeds, trainings, models, jobs, schedules, rules, who is told",
    Role.admin: "give keys, and read files of the server",
}


@blueprint.get("/app/keys")
@requires(Role.admin)
def keys() -> str:
    with services().database.read() as session:
        return render_template("keys.html", keys=views(session), may_do=MAY, mine=g.owner)
