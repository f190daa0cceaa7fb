/** @file The keys of a page, shown by `?`. */
"use client";

import { Dialog } from "./dialog";

export type Shortcut = { keys: string[]; does: string };

type ShortcutSheetProps = {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  shortcuts: readonly Shortcut[];
};

export function ShortcutSheet({ open, onOpenChange, shortcuts }: ShortcutSheetProps) {
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Keys on this page"
      description="One-key shortcuts work wherever no text is being written."
    >
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-6 gap-y-2">
        {shortcuts.map(({ keys, does }) => (
          <div key={does} className="contents">
            <dt className="flex gap-1">
              {keys.map((key) => (
                <kbd
                  key={key}
                  className="min-w-7 rounded border border-line bg-sunken px-1.5 py-0.5 text-center text-small"
                >
                  {key}
                </kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
