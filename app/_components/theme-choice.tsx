/** @file Light, dark or the system's: takes effect at once, and is kept for the next visit. */
"use client";

import { useState } from "react";
import { classNames } from "@/app/_components/class-names";
import { parseTheme, type Theme, themeCookie, themes } from "@/app/_lib/theme";

const names: Record<Theme, string> = { system: "System", light: "Light", dark: "Dark" };

export function ThemeChoice() {
  const [theme, setTheme] = useState<Theme>(() =>
    parseTheme(typeof document === "undefined" ? undefined : document.documentElement.dataset.theme),
  );

  const choose = (next: Theme) => {
    setTheme(next);
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    // biome-ignore lint/suspicious/noDocumentCookie: the cookie store API is not in every supported browser
    document.cookie = `${themeCookie}=${next}; path=/; max-age=31536000; samesite=lax`;
  };

  return (
    <fieldset className="flex items-center justify-between gap-3">
      <legend className="sr-only">Colours</legend>
      <span aria-hidden="true" className="text-muted">
        Colours
      </span>
      <span className="flex rounded-md bg-hover p-0.5">
        {themes.map((name) => (
          <label
            key={name}
            className={classNames(
              "rounded px-2 py-0.5 text-small has-focus-visible:outline-2 has-focus-visible:outline-focus",
              theme === name ? "bg-raised font-medium" : "text-muted",
            )}
          >
            <input
              type="radio"
              name="theme"
              value={name}
              checked={theme === name}
              onChange={() => choose(name)}
              className="sr-only"
            />
            {names[name]}
          </label>
        ))}
      </span>
    </fieldset>
  );
}
