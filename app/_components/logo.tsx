/** @file The sign of Attune, drawn in the page: the same as public/icon.svg. */

export function Logo() {
  return (
    <svg aria-hidden="true" width={22} height={22} viewBox="0 0 32 32" className="shrink-0">
      <rect width="32" height="32" rx="7" fill="#2f55c8" />
      <path d="M7 19c3-8 6-8 9-3s6 5 9-3" fill="none" stroke="#fff" strokeWidth="3" strokeLinecap="round" />
      <circle cx="16" cy="16" r="2.6" fill="#fff" />
    </svg>
  );
}
