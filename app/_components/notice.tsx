/** @file A sentence set apart from the text around it: what happened, what is safe, what to do. */
import type { ReactNode } from "react";
import { classNames } from "./class-names";
import { Icon, type IconName } from "./icon";

type Tone = "info" | "warning" | "error";

const tones: Record<Tone, { icon: IconName; className: string }> = {
  info: { icon: "info", className: "text-muted" },
  warning: { icon: "warning", className: "text-people" },
  error: { icon: "warning", className: "text-danger" },
};

type NoticeProps = { tone?: Tone; children: ReactNode; className?: string };

export function Notice({ tone = "info", children, className }: NoticeProps) {
  const { icon, className: toneClass } = tones[tone];
  return (
    <div
      role={tone === "error" ? "alert" : undefined}
      className={classNames("flex items-start gap-2 rounded-md bg-sunken px-3 py-2 text-small", className)}
    >
      <span className={classNames("mt-0.5", toneClass)}>
        <Icon name={icon} size={16} />
      </span>
      <div className="min-w-0 grow">{children}</div>
    </div>
  );
}
