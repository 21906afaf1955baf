//! Units of measure. Each is so many of its dimension's base unit; temperatures have an offset as well.

use hearth_tool::{Answer, Context, Failure};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub(crate) struct Convert {
    value: f64,
    from: String,
    to: String,
}

/// What a unit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Length,
    Area,
    Volume,
    Mass,
    Temperature,
    Speed,
    Time,
    Energy,
    Power,
    Pressure,
    Data,
    Angle,
}

/// A unit: its names (the first is shown), what it measures, how many base units it is, and what is added after.
struct Unit(&'static [&'static str], Kind, f64, f64);

/// Exact where the definition is (inch 1959, pound 1959, US gallon 231 in³, imperial gallon 1976, cal_th).
const UNITS: &[Unit] = &[
    Unit(&["mm", "millimetre", "millimeter"], Kind::Length, 0.001, 0.0),
    Unit(&["cm", "centimetre", "centimeter"], Kind::Length, 0.01, 0.0),
    Unit(&["m", "metre", "meter"], Kind::Length, 1.0, 0.0),
    Unit(&["km", "kilometre", "kilometer"], Kind::Length, 1_000.0, 0.0),
    Unit(&["in", "inch", "inche", "\""], Kind::Length, 0.0254, 0.0),
    Unit(&["ft", "foot", "feet", "'"], Kind::Length, 0.3048, 0.0),
    Unit(&["yd", "yard"], Kind::Length, 0.9144, 0.0),
    Unit(&["mi", "mile"], Kind::Length, 1_609.344, 0.0),
    Unit(&["nmi", "nautical mile"], Kind::Length, 1_852.0, 0.0),
    Unit(&["cm²", "cm2", "square centimetre", "square centimeter"], Kind::Area, 0.000_1, 0.0),
    Unit(&["m²", "m2", "square metre", "square meter"], Kind::Area, 1.0, 0.0),
    Unit(&["ha", "hectare"], Kind::Area, 10_000.0, 0.0),
    Unit(&["km²", "km2", "square kilometre", "square kilometer"], Kind::Area, 1_000_000.0, 0.0),
    Unit(&["ft²", "ft2", "square foot", "square feet", "sq ft"], Kind::Area, 0.092_903_04, 0.0),
    Unit(&["acre"], Kind::Area, 4_046.856_422_4, 0.0),
    Unit(&["mi²", "mi2", "square mile"], Kind::Area, 2_589_988.110_336, 0.0),
    Unit(&["ml", "millilitre", "milliliter"], Kind::Volume, 0.001, 0.0),
    Unit(&["cl", "centilitre", "centiliter"], Kind::Volume, 0.01, 0.0),
    Unit(&["dl", "decilitre", "deciliter"], Kind::Volume, 0.1, 0.0),
    Unit(&["l", "litre", "liter"], Kind::Volume, 1.0, 0.0),
    Unit(&["m³", "m3", "cubic metre", "cubic meter"], Kind::Volume, 1_000.0, 0.0),
    Unit(&["tsp", "teaspoon"], Kind::Volume, 0.004_928_921_593_75, 0.0),
    Unit(&["tbsp", "tablespoon"], Kind::Volume, 0.014_786_764_781_25, 0.0),
    Unit(&["fl oz", "fluid ounce"], Kind::Volume, 0.029_573_529_562_5, 0.0),
    Unit(&["cup", "us cup"], Kind::Volume, 0.236_588_236_5, 0.0),
    Unit(&["pt", "pint", "us pint"], Kind::Volume, 0.473_176_473, 0.0),
    Unit(&["qt", "quart", "us quart"], Kind::Volume, 0.946_352_946, 0.0),
    Unit(&["gal", "gallon", "us gallon"], Kind::Volume, 3.785_411_784, 0.0),
    Unit(&["imp pt", "imperial pint"], Kind::Volume, 0.568_261_25, 0.0),
    Unit(&["imp gal", "imperial gallon"], Kind::Volume, 4.546_09, 0.0),
    Unit(&["mg", "milligram"], Kind::Mass, 0.000_001, 0.0),
    Unit(&["g", "gram"], Kind::Mass, 0.001, 0.0),
    Unit(&["kg", "kilogram", "kilo"], Kind::Mass, 1.0, 0.0),
    Unit(&["t", "tonne", "metric ton"], Kind::Mass, 1_000.0, 0.0),
    Unit(&["oz", "ounce"], Kind::Mass, 0.028_349_523_125, 0.0),
    Unit(&["lb", "pound"], Kind::Mass, 0.453_592_37, 0.0),
    Unit(&["st", "stone"], Kind::Mass, 6.350_293_18, 0.0),
    Unit(&["K", "kelvin"], Kind::Temperature, 1.0, 0.0),
    Unit(&["°C", "c", "celsius", "degc", "degree celsius"], Kind::Temperature, 1.0, 273.15),
    Unit(&["°F", "f", "fahrenheit", "degf", "degree fahrenheit"], Kind::Temperature, 5.0 / 9.0, 459.67 * 5.0 / 9.0),
    Unit(&["m/s", "metre per second", "meter per second"], Kind::Speed, 1.0, 0.0),
    Unit(&["km/h", "kmh", "kph"], Kind::Speed, 1.0 / 3.6, 0.0),
    Unit(&["mph", "mi/h", "mile per hour"], Kind::Speed, 0.447_04, 0.0),
    Unit(&["kn", "knot", "kt"], Kind::Speed, 1_852.0 / 3_600.0, 0.0),
    Unit(&["ms", "millisecond"], Kind::Time, 0.001, 0.0),
    Unit(&["s", "second", "sec"], Kind::Time, 1.0, 0.0),
    Unit(&["min", "minute"], Kind::Time, 60.0, 0.0),
    Unit(&["h", "hour", "hr"], Kind::Time, 3_600.0, 0.0),
    Unit(&["d", "day"], Kind::Time, 86_400.0, 0.0),
    Unit(&["week"], Kind::Time, 604_800.0, 0.0),
    Unit(&["J", "joule"], Kind::Energy, 1.0, 0.0),
    Unit(&["kJ", "kilojoule"], Kind::Energy, 1_000.0, 0.0),
    Unit(&["kcal", "kilocalorie"], Kind::Energy, 4_184.0, 0.0),
    Unit(&["Wh", "watt hour", "watt-hour"], Kind::Energy, 3_600.0, 0.0),
    Unit(&["kWh", "kilowatt hour", "kilowatt-hour"], Kind::Energy, 3_600_000.0, 0.0),
    Unit(&["BTU", "btu"], Kind::Energy, 1_055.055_852_62, 0.0),
    Unit(&["W", "watt"], Kind::Power, 1.0, 0.0),
    Unit(&["kW", "kilowatt"], Kind::Power, 1_000.0, 0.0),
    Unit(&["hp", "horsepower"], Kind::Power, 745.699_871_582_270_2, 0.0),
    Unit(&["PS", "metric horsepower"], Kind::Power, 735.498_75, 0.0),
    Unit(&["Pa", "pascal"], Kind::Pressure, 1.0, 0.0),
    Unit(&["hPa", "hectopascal", "mbar", "millibar"], Kind::Pressure, 100.0, 0.0),
    Unit(&["kPa", "kilopascal"], Kind::Pressure, 1_000.0, 0.0),
    Unit(&["bar"], Kind::Pressure, 100_000.0, 0.0),
    Unit(&["psi"], Kind::Pressure, 6_894.757_293_168_361, 0.0),
    Unit(&["atm", "atmosphere"], Kind::Pressure, 101_325.0, 0.0),
    Unit(&["mmHg"], Kind::Pressure, 133.322_387_415, 0.0),
    Unit(&["bit"], Kind::Data, 0.125, 0.0),
    Unit(&["Mbit", "megabit"], Kind::Data, 125_000.0, 0.0),
    Unit(&["Gbit", "gigabit"], Kind::Data, 125_000_000.0, 0.0),
    Unit(&["B", "byte"], Kind::Data, 1.0, 0.0),
    Unit(&["kB", "kilobyte"], Kind::Data, 1e3, 0.0),
    Unit(&["MB", "megabyte"], Kind::Data, 1e6, 0.0),
    Unit(&["GB", "gigabyte"], Kind::Data, 1e9, 0.0),
    Unit(&["TB", "terabyte"], Kind::Data, 1e12, 0.0),
    Unit(&["KiB", "kibibyte"], Kind::Data, 1_024.0, 0.0),
    Unit(&["MiB", "mebibyte"], Kind::Data, 1_048_576.0, 0.0),
    Unit(&["GiB", "gibibyte"], Kind::Data, 1_073_741_824.0, 0.0),
    Unit(&["TiB", "tebibyte"], Kind::Data, 1_099_511_627_776.0, 0.0),
    Unit(&["°", "deg", "degree"], Kind::Angle, std::f64::consts::PI / 180.0, 0.0),
    Unit(&["rad", "radian"], Kind::Angle, 1.0, 0.0),
];

/// The symbol as it is first, then any name whatever its case, then without the `s` of the plural.
fn find(name: &str) -> Result<&'static Unit, Failure> {
    let name = name.trim();
    let lower = name.to_lowercase();
    let singular = lower.strip_suffix('s').unwrap_or(&lower);
    let exact = UNITS.iter().find(|unit| unit.0.contains(&name));
    let caseless = || UNITS.iter().find(|unit| unit.0.iter().any(|known| known.to_lowercase() == lower));
    let plural = || UNITS.iter().find(|unit| unit.0.iter().any(|known| known.len() > 2 && known.to_lowercase() == singular));
    exact.or_else(caseless).or_else(plural).ok_or_else(|| Failure::bad_arguments("a unit is not known; use its symbol or its English name"))
}

/// To ten digits: the rest is the machine's, not the measure's.
fn rounded(value: f64) -> f64 {
    format!("{value:.9e}").parse().unwrap_or(value)
}

pub(crate) fn convert(convert: Convert, _context: &Context) -> Result<Answer, Failure> {
    let (from, to) = (find(&convert.from)?, find(&convert.to)?);
    if from.1 != to.1 {
        return Err(Failure::bad_arguments(format!("{:?} and {:?} are not measures of the same", from.1, to.1)));
    }
    let value = rounded((convert.value * from.2 + from.3 - to.3) / to.2);
    let symbol = |unit: &Unit| unit.0.first().copied().unwrap_or_default();
    Ok(json!({ "value": value, "unit": symbol(to), "from": { "value": convert.value, "unit": symbol(from) } }).into())
}
