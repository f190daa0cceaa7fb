/**
 * @file The key that does the same as the button it stands on; not where a finger presses it. Screen readers hear it from
 * aria-keyshortcuts.
 */
export function KeyHint({ children }: { children: string }) {
  return (
    <span
      aria-hidden="true"
      className="max-sm:hidden pointer-coarse:hidden min-w-6 rounded border border-current/40 px-1 text-center text-small font-normal"
    >
      {children}
    </span>
  );
}
