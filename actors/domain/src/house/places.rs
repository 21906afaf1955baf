//! Time zones by the name of a place.

use jiff::tz::TimeZoneDatabase;

/// Places that name no zone themselves: the zone, and who lives by it.
const ALIASES: [(&str, &str); 47] = [
    ("Africa/Cairo", "egypt"),
    ("Africa/Johannesburg", "cape_town"),
    ("America/Chicago", "austin dallas houston"),
    ("America/Los_Angeles", "california las_vegas san_diego san_francisco seattle"),
    ("America/New_York", "atlanta boston miami new_york_city nyc philadelphia washington washington_dc"),
    ("America/Sao_Paulo", "rio rio_de_janeiro"),
    ("America/Toronto", "montreal ottawa"),
    ("Asia/Amman", "amman"),
    ("Asia/Bangkok", "hanoi thailand"),
    ("Asia/Dubai", "abu_dhabi"),
    ("Asia/Ho_Chi_Minh", "saigon vietnam"),
    ("Asia/Hong_Kong", "hong_kong"),
    ("Asia/Jerusalem", "israel tel_aviv"),
    ("Asia/Karachi", "pakistan"),
    ("Asia/Kolkata", "bangalore delhi india mumbai new_delhi"),
    ("Asia/Makassar", "bali"),
    ("Asia/Seoul", "korea south_korea"),
    ("Asia/Shanghai", "beijing china"),
    ("Asia/Taipei", "taiwan"),
    ("Asia/Tokyo", "japan kyoto osaka"),
    ("Atlantic/Reykjavik", "iceland"),
    ("Europe/Amsterdam", "netherlands"),
    ("Europe/Athens", "greece"),
    ("Europe/Berlin", "cologne duesseldorf düsseldorf frankfurt germany hamburg leipzig munich stuttgart"),
    ("Europe/Brussels", "belgium"),
    ("Europe/Bucharest", "romania"),
    ("Europe/Budapest", "hungary"),
    ("Europe/Copenhagen", "denmark"),
    ("Europe/Dublin", "ireland"),
    ("Europe/Helsinki", "finland"),
    ("Europe/Istanbul", "turkey"),
    ("Europe/Kiev", "kyiv ukraine"),
    ("Europe/Lisbon", "porto portugal"),
    ("Europe/London", "birmingham britain edinburgh england glasgow manchester scotland uk"),
    ("Europe/Madrid", "barcelona spain"),
    ("Europe/Moscow", "saint_petersburg"),
    ("Europe/Oslo", "norway"),
    ("Europe/Paris", "france lyon marseille"),
    ("Europe/Prague", "czechia"),
    ("Europe/Rome", "florence italy milan naples"),
    ("Europe/Stockholm", "sweden"),
    ("Europe/Vienna", "austria graz salzburg"),
    ("Europe/Warsaw", "poland"),
    ("Europe/Zagreb", "croatia"),
    ("Europe/Zurich", "basel bern geneva switzerland zürich"),
    ("Pacific/Auckland", "new_zealand wellington"),
    ("UTC", "gmt utc"),
];
/// Older names for a zone that has a city's name too.
const LEGACY: [&str; 6] = ["Etc/", "US/", "Canada/", "Mexico/", "Brazil/", "Chile/"];

/// The IANA zone of a place, given in lower case with `_` between the words: a city that names a zone (`tokyo`) or an
/// alias above. Countries with several zones are not guessed.
pub(super) fn zone(place: &str) -> Option<String> {
    if let Some((zone, _)) = ALIASES.iter().find(|(_, names)| names.split(' ').any(|name| name == place)) {
        return Some((*zone).to_owned());
    }
    let names_it = |zone: &str| {
        let city = zone.rsplit_once('/').filter(|_| !LEGACY.iter().any(|legacy| zone.starts_with(legacy)));
        city.is_some_and(|(_, city)| city.eq_ignore_ascii_case(place)) || (place.contains('/') && zone.eq_ignore_ascii_case(place))
    };
    TimeZoneDatabase::bundled().available().find(|zone| names_it(zone.as_str())).map(|zone| zone.to_string())
}
