/** @file Finds personal data that has a form (addresses, numbers) and puts a mask in its place. Names and stories it cannot know. */
import net from "node:net";

/** In the order in which they are looked for: a card number must not be taken for a phone number. */
export const personalDataKinds = ["email", "iban", "card", "ip", "phone", "address"] as const;
export type PersonalDataKind = (typeof personalDataKinds)[number];

type Detector = { pattern: RegExp; isFound?: (found: string, before: string) => boolean };

// A word character, and what joins numbers into versions, paths and decimals.
const notBefore = String.raw`(?<![\p{L}\p{N}_.,:/+#=-])`;
const notAfter = String.raw`(?![\p{L}\p{N}_])`;
const streetWord =
  "Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Terrace|Way|Highway|Hwy|Parkway|Pkwy";

const detectors: Record<PersonalDataKind, Detector> = {
  email: {
    // Lengths as in RFC 5321; bounded, so that a long text without an @ is read once.
    pattern:
      /(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){0,4}\.\p{L}{2,24}(?![\p{L}\p{N}])/gu,
  },
  // ISO 13616: country, two check digits, up to 30 letters and digits, often in groups of four.
  iban: {
    pattern: /(?<![A-Z\d])[A-Z]{2}\d{2}(?:[ ]?[A-Z\d]{4}){2,7}(?:[ ]?[A-Z\d]{1,3})?(?![A-Z\d])/g,
    isFound: isIban,
  },
  card: { pattern: new RegExp(`${notBefore}\\d(?:[ -]?\\d){12,18}${notAfter}`, "gu"), isFound: isCard },
  ip: {
    pattern:
      /(?<![\p{L}\p{N}_.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[\da-f]{0,4}:){3,7}[\da-f]{0,4})(?![\p{L}\p{N}_:]|\.\d)/giu,
    isFound: isPublicIp,
  },
  phone: {
    // Spaces are not line ends: numbers on lines of their own are a list.
    pattern: new RegExp(`${notBefore}(?:\\+|\\(\\+?)?\\d(?:[ \\u00a0()./-]{0,2}\\d){6,17}${notAfter}`, "gu"),
    isFound: isPhone,
  },
  address: {
    pattern: new RegExp(
      [
        // 221B Baker Street, Springfield, IL 62704
        `(?<![\\p{L}\\p{N}.])\\d{1,5}[A-Za-z]?,? (?:(?:[NSEW]|North|South|East|West)\\.? )?(?:\\p{Lu}[\\p{L}'’-]{1,30} |\\d{1,3}(?:st|nd|rd|th) ){1,4}(?:${streetWord})\\b\\.?(?:,? (?:Apt|Apartment|Suite|Unit|Flat)\\.? ?#?[\\p{L}\\d-]{1,6})?(?:,? (?:\\p{Lu}[\\p{L}'’-]{1,30} ?){1,3},? [A-Z]{2} \\d{5}(?:-\\d{4})?)?`,
        // Lindenstraße 12a, 10969 Berlin
        "(?<![\\p{L}])\\p{Lu}[\\p{L}-]{0,40}(?:straße|strasse|str\\.|allee|gasse)[ ]\\d{1,4} ?[a-z]?(?![\\p{L}\\p{N}])(?:,? \\d{5} \\p{Lu}[\\p{L}-]{1,30})?",
        // 12 rue de la Paix, 75002 Paris
        "(?<![\\p{L}\\p{N}.])\\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|boulevard|chemin|allée|impasse|quai) (?:(?:de|du|des|de la|de l’|de l'|d’|d') ?)?\\p{Lu}[\\p{L}'’-]{1,30}(?: \\p{Lu}[\\p{L}'’-]{1,30}){0,3}(?:,? \\d{5} \\p{Lu}[\\p{L}-]{1,30})?",
        // P.O. Box 1234
        "(?<![\\p{L}])P\\.? ?O\\.? Box \\d{1,6}(?!\\d)",
      ].join("|"),
      "gu",
    ),
  },
};

/** Counts by kind; a kind that was not found is left out. */
export type MaskedCounts = Partial<Record<PersonalDataKind, number>>;

/** @returns the text with `[email]`, `[phone]` … in place of what was found, and how many places of each */
export function maskPersonalData(text: string): { text: string; masked: MaskedCounts } {
  const masked: MaskedCounts = {};
  let result = text;
  for (const kind of personalDataKinds) {
    const { pattern, isFound } = detectors[kind];
    result = result.replace(pattern, (found: string, ...rest: unknown[]) => {
      const offset = rest.find((value) => typeof value === "number");
      const before = result.slice(Math.max(0, Number(offset) - 12), Number(offset));
      if (isFound && !isFound(found, before)) return found;
      masked[kind] = (masked[kind] ?? 0) + 1;
      return `[${kind}]`;
    });
  }
  return { text: result, masked };
}

export function addCounts(a: MaskedCounts, b: MaskedCounts): MaskedCounts {
  const sum: MaskedCounts = { ...a };
  for (const kind of personalDataKinds) {
    const count = b[kind];
    if (count) sum[kind] = (sum[kind] ?? 0) + count;
  }
  return sum;
}

const digitsOf = (text: string) => text.replace(/\D/g, "");

/** ISO 7064: rotated by four and read as a number, letters as 10 to 35, it leaves 1 when divided by 97. */
function isIban(found: string): boolean {
  const text = found.replaceAll(" ", "");
  if (text.length < 15 || text.length > 34) return false;
  let rest = 0;
  for (const sign of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(sign, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** Luhn's check digit (ISO/IEC 7812), and a first digit that banks give out: 3 to 6. One number in ten passes Luhn alone. */
function isCard(found: string): boolean {
  const digits = digitsOf(found);
  if (!/^[3-6]/.test(digits)) return false;
  let sum = 0;
  for (let place = 0; place < digits.length; place++) {
    const digit = Number(digits[digits.length - 1 - place]);
    const doubled = digit * 2;
    sum += place % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Addresses of private networks are everybody's, and four numbers after "version" are a version. */
function isPublicIp(found: string, before: string): boolean {
  if (net.isIPv4(found)) {
    const isVersion = /(?:version|release|build|v|section|chapter|§)\s*$/i.test(before);
    return (
      !isVersion &&
      !/^(?:0|10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01])|22[4-9]|2[3-5]\d)\./.test(found)
    );
  }
  // Less than four groups could be a scope of C++ or a time of day.
  const groups = found.split(":").filter((group) => group !== "").length;
  return net.isIPv6(found) && groups >= 4 && /\d/.test(found) && !/^fe80:/i.test(found);
}

const date =
  /(?<!\d)(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d{2}|(?:19|20)\d{2}[./-]\d{1,2}[./-]\d{1,2})(?!\d)/;

/**
 * A number is taken for a phone number only where its writing says so: a country code, a leading zero with groups, or the
 * North American 3-3-4. Dates, decimals, ranges of years and plain numbers are none.
 */
function isPhone(found: string): boolean {
  const digits = digitsOf(found);
  if (digits.length > 15 || /^[01]+$/.test(digits)) return false;
  const groups = found.match(/\d+/g) ?? [];
  if (/^\(?\+/.test(found)) return digits.length >= 8 && digits[0] !== "0";
  if (date.test(found) || /^\d+\.\d+$/.test(found)) return false;
  if (digits.startsWith("00")) return digits.length >= 10 && groups.length <= 6 && digits[2] !== "0";
  if (isNorthAmerican(found)) return true;
  return digits.startsWith("0") && isNational(digits, groups);
}

function isNorthAmerican(found: string): boolean {
  return /^(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])\d{3}[ .-]\d{4}$/.test(found);
}

/** 030 1234567, 0171/1234567, 01711234567, 01 23 45 67 89. */
function isNational(digits: string, groups: readonly string[]): boolean {
  if (digits.length < 9 || digits.length > 12) return false;
  if (groups.length === 1) return digits.length >= 10 && digits.length <= 11;
  const [first = ""] = groups;
  const isPairs = groups.length === 5 && groups.every((group) => group.length === 2);
  return isPairs || (first.length >= 2 && groups.length <= 4 && groups.some((group) => group.length >= 3));
}
