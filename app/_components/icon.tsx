/** @file The icons, drawn on a 24 px grid with one stroke. They carry no meaning alone: a label stands beside each. */

const shapes = {
  archive: "M3 4h18v4H3zM5 8v12h14V8M10 12h4",
  arrowDown: "M12 5v14M6 13l6 6 6-6",
  arrowUp: "M12 19V5M6 11l6-6 6 6",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
  chart: "M4 4v16h16M7 15l4-5 3 3 5-7",
  book: "M12 6c-2-1.5-5-2-8-1.5V19c3-.5 6 0 8 1.5 2-1.5 5-2 8-1.5V4.5C17 4 14 4.5 12 6M12 6v14.5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  chevronDown: "M6 9l6 6 6-6",
  chevronLeft: "M15 6l-6 6 6 6",
  chevronRight: "M9 6l6 6-6 6",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  database: "M4 6c0-3.5 16-3.5 16 0s-16 3.5-16 0v12c0 3.5 16 3.5 16 0V6M4 12c0 3.5 16 3.5 16 0",
  dots: "M4.5 12a.75.75 0 1 0 1.5 0 .75.75 0 1 0-1.5 0M11.25 12a.75.75 0 1 0 1.5 0 .75.75 0 1 0-1.5 0M18 12a.75.75 0 1 0 1.5 0 .75.75 0 1 0-1.5 0",
  download: "M12 4v12M7 11l5 5 5-5M5 20h14",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  ghost: "M5 20V11a7 7 0 0 1 14 0v9l-2.5-2-2 2-2.5-2-2.5 2-2-2zM9.5 11h.01M14.5 11h.01",
  inbox: "M3 13l3-8h12l3 8v6H3zM3 13h5l1.5 3h5L16 13h5",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 11v6M12 7.5h.01",
  key: "M15 3a6 6 0 1 1-4.2 10.3L4 20v-3h2v-2h2l2.3-2.3A6 6 0 0 1 15 3M16.5 7.5h.01",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
  layers: "M12 4l9 4.5-9 4.5-9-4.5zM3 13l9 4.5 9-4.5",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  menu: "M4 7h16M4 12h16M4 17h16",
  overlap: "M9 6a6 6 0 1 0 0 12A6 6 0 0 0 9 6M15 6a6 6 0 1 0 0 12A6 6 0 0 0 15 6",
  pause: "M8 5v14M16 5v14",
  people:
    "M9 4a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M3 20a6 6 0 0 1 12 0M16 4.5a3.5 3.5 0 0 1 0 6.5M18 15.5a6 6 0 0 1 3 4.5",
  pin: "M9 3h6l-1 7 4 4H6l4-4zM12 14v7",
  plus: "M12 5v14M5 12h14",
  rank: "M4 20V14h5v6M9.5 20V5h5v15M15 20v-9h5v9M3 20h18",
  refresh: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
  resume: "M5 5v14M9 5l10 7-10 7z",
  say: "M4 5h16v11H10l-5 4v-4H4z",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l4.5 4.5",
  server: "M3 4h18v7H3zM3 13h18v7H3zM7 7.5h.01M7 16.5h.01",
  sliders: "M4 7h10M18 7h2M14 4v6M4 17h2M10 17h10M8 14v6",
  stop: "M7 7h10v10H7z",
  swap: "M7 4v14M3.5 14.5 7 18l3.5-3.5M17 20V6M13.5 9.5 17 6l3.5 3.5",
  thumbDown: "M7 4v11H4V4zM7 14l4 7a2 2 0 0 0 2-2v-4h5.5a2 2 0 0 0 2-2.3l-1-7A2 2 0 0 0 17.5 4H7",
  thumbUp: "M7 20V9H4v11zM7 10l4-7a2 2 0 0 1 2 2v4h5.5a2 2 0 0 1 2 2.3l-1 7a2 2 0 0 1-2 1.7H7",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v6M14 11v6",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4 21a8 8 0 0 1 16 0",
  warning: "M12 4l9 16H3zM12 10v5M12 17.5h.01",
} as const;

export type IconName = keyof typeof shapes;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.75}
      strokeLinecap="round"
      strokeLinejoin="round"
      className="shrink-0"
    >
      <path d={shapes[name]} />
    </svg>
  );
}
