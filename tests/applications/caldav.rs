//! Radicale, a server of calendars, and the CalDAV client of PyPI.

use super::{Place, give_to_web_user, passwords};
use crate::kit::{clean, run, system_python, venv};

/// The user is Apache's.
const CONF: &str = "
WSGIScriptAlias / @APPS@/radicale.wsgi
WSGIApplicationGroup %{GLOBAL}
<Location />
AuthType Basic
AuthName calendars
AuthUserFile @ROOT@/conf/passwords
Require valid-user
</Location>
";

const SCRIPT: &str = "
import os
os.environ['RADICALE_CONFIG'] = '@APPS@/radicale.ini'
from radicale import application
";

const SETTINGS: &str = "
[auth]
type = remote_user
[storage]
filesystem_folder = @WORK@/calendars
[logging]
level = error
";

/// What a person's calendar program does.
const CLIENT: &str = r#"
import sys, datetime
import caldav

url = sys.argv[1]
client = caldav.DAVClient(url=url, username="ada", password="secret")
principal = client.principal()
calendar = principal.make_calendar(name="Käse & Wein", cal_id="cheese")
day = datetime.datetime(2026, 11, 26, 10, 0)
for number in range(12):
    start = day + datetime.timedelta(days=number)
    calendar.add_event(uid="event-%d" % number, summary="Termin %d – ÄÖÜ" % number,
                       dtstart=start, dtend=start + datetime.timedelta(hours=1))
names = [c.get_display_name() for c in principal.get_calendars()]
assert names == ["Käse & Wein"], names
found = calendar.search(start=day, end=day + datetime.timedelta(days=3), event=True, expand=False)
assert len(found) == 3, found
event = calendar.get_event_by_uid("event-7")
assert "ÄÖÜ" in event.data, event.data
event.data = event.data.replace("Termin 7", "Moved 7")
event.save()
assert "Moved 7" in calendar.get_event_by_uid("event-7").data
event.delete()
assert len(calendar.get_events()) == 11
# A large one.
calendar.add_event(uid="large", summary="large", dtstart=day, dtend=day, description="x" * 300000)
assert len(calendar.get_event_by_uid("large").data) > 300000
calendar.delete()
assert principal.get_calendars() == []
print("all is well")
"#;

fn keeps_calendars(place: Place) {
    let home = venv(
        &system_python(),
        "radicale",
        &["radicale==3.9.0", "caldav==3.6.0"],
    );
    let builder = passwords(place.server(&home))
        .app("radicale.wsgi", SCRIPT)
        .app("radicale.ini", SETTINGS)
        .file("client.py", CLIENT.as_bytes())
        .conf(CONF);
    let calendars = builder.root().join("work/calendars");
    std::fs::create_dir(&calendars).unwrap();
    give_to_web_user(&calendars);
    let server = builder.start();
    // Its logger speaks before it has read what its level is.
    server.allow_log("[INFO] ");
    server.allow_log("Logging level set to");
    assert_eq!(server.get("/").status, 401);
    let said = run(clean(&home.join("bin/python"))
        .arg(server.root().join("client.py"))
        .arg(server.url("/"))
        .env("HOME", server.root().join("work"))
        .env_remove("http_proxy"));
    assert!(said.contains("all is well"), "{said}");
    server.finish();
}

#[test]
fn radicale_in_apaches_children_keeps_a_persons_calendars() {
    keeps_calendars(Place::Children);
}

#[test]
fn radicale_in_a_process_group_keeps_a_persons_calendars() {
    keeps_calendars(Place::Group);
}
