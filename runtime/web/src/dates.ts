/** Dates and times in text, as seconds since 1970-01-01 UTC. */

import { InvalidInput } from "./errors.js";
import { quoted, rounded, shortened, shown, strip, WHITE_SPACE } from "./text.js";

export type Order = "ymd" | "dmy" | "mdy";

/** What numpy has for NaT. */
export const MISSING_DATE = -(2n ** 63n);

// The first second of year 1, and the last of year 9999.
export const FIRST_SECOND = -62135596800;
const LAST_SECOND = 253402300799;

const EXAMPLES: Record<Order, string> = { ymd: "2025-12-31", dmy: "31.12.2025", mdy: "12/31/2025" };
const ORDERS: Record<Order, string> = { ymd: "year, month, day", dmy: "day, month, year", mdy: "month, day, year" };
const DATE = new RegExp(
  "^(?:(?<year>[0-9]{4})(?<mark>[-./])(?<month>[0-9]{1,2})\\k<mark>(?<day>[0-9]{1,2})" +
    "|(?<first>[0-9]{1,2})(?<mark2>[-./])(?<second>[0-9]{1,2})\\k<mark2>(?<last>[0-9]{4}))" +
    `(?:(?:[Tt]|,?${WHITE_SPACE}+)(?<hour>[0-9]{1,2}):(?<minutes>[0-9]{2})(?::(?<seconds>[0-9]{2})(?:[.,][0-9]+)?)?` +
    `(?:${WHITE_SPACE}?(?<half>[AaPp])[Mm])?` +
    `(?:${WHITE_SPACE}?(?:[Zz]|UTC|GMT|(?<sign>[-+])(?<offHours>[0-9]{2})(?::?(?<offMinutes>[0-9]{2}))?))?)?$`,
  "u",
);

/**
 * The seconds since 1970-01-01 UTC of a date, or of a date and a time, in text. Parts of a second are dropped.
 *
 * @param order the order of day, month and year where the year is not the first.
 * @throws InvalidInput if there is no such date.
 */
export function parseDate(text: string, order: Order): number {
  const stripped = strip(text);
  const found = DATE.exec(stripped)?.groups;
  if (found === undefined || (found["first"] && order === "ymd")) {
    const forms = [...new Set([EXAMPLES.ymd, EXAMPLES[order]])].join(" or ");
    throw new InvalidInput(`${shown(stripped)} is not a date written like ${forms}`);
  }
  try {
    return inRange(secondsOf(found, order), stripped);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const readAs = found["first"] ? `, read as ${ORDERS[order]}` : "";
    throw new InvalidInput(`${quoted(stripped)} is not a date${readAs}: ${error.message}`);
  }
}

/** The seconds of the parts that `DATE` finds. Throws RangeError with Python's words if there is no such date. */
function secondsOf(found: Record<string, string | undefined>, order: Order): number {
  const part = (name: string): number => Number(found[name] ?? 0);
  const year = found["first"] ? part("last") : part("year");
  const [day, month] = found["first"]
    ? order === "dmy" ? [part("first"), part("second")] : [part("second"), part("first")]
    : [part("day"), part("month")];
  let hour = part("hour");
  const check = (holds: boolean, why: string): void => {
    if (!holds) throw new RangeError(why);
  };
  if (found["half"]) {
    check(hour >= 1 && hour <= 12, "hour must be in 1..12 before AM and PM");
    hour = (hour % 12) + ("Pp".includes(found["half"]) ? 12 : 0);
  }
  check(year >= 1, `year ${year} is out of range`);
  check(month >= 1 && month <= 12, "month must be in 1..12");
  check(day >= 1 && day <= daysIn(year, month), "day is out of range for month");
  check(hour <= 23, "hour must be in 0..23");
  check(part("minutes") <= 59, "minute must be in 0..59");
  check(part("seconds") <= 59, "second must be in 0..59");
  check(part("offHours") <= 23 && part("offMinutes") <= 59, "the offset must be less than 24 hours");
  const offset = (part("offHours") * 3600 + part("offMinutes") * 60) * (found["sign"] === "-" ? -1 : 1);
  return midnight(year, month, day) + hour * 3600 + part("minutes") * 60 + part("seconds") - offset;
}

/** `seconds`, if they are in the years 1 to 9999; `text` is what the message calls them. */
export function inRange(seconds: number, text: string): number {
  if (!(seconds >= FIRST_SECOND && seconds <= LAST_SECOND)) {
    throw new InvalidInput(`${shortened(text)} is not in the years 1 to 9999`);
  }
  return seconds;
}

/** Seconds as text: a date, with the time if it is not midnight. */
export function dateText(seconds: number): string {
  if (!(seconds >= FIRST_SECOND && seconds <= LAST_SECOND)) return `${rounded(seconds, 6)} seconds since 1970`;
  const text = new Date(Math.floor(seconds) * 1000).toISOString();
  return text.slice(11, 19) === "00:00:00" ? text.slice(0, 10) : `${text.slice(0, 10)} ${text.slice(11, 19)}`;
}

/** An example of a date in text of an order. */
export const dateExample = (order: Order): string => EXAMPLES[order];

/** The seconds of a day at midnight; `month` and `day` from 1. */
export function midnight(year: number, month: number, day: number): number {
  // Date.UTC takes the years 0 to 99 for those of the 20th century.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime() / 1000;
}

function daysIn(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
}
