/** @file A run's records as files, also while it runs. */
type ExportLinksProps = {
  runId: string;
  content: "metrics" | "episodes" | "samples" | "logs" | "incidents" | "timeline";
};

export function ExportLinks({ runId, content }: ExportLinksProps) {
  return (
    <span className="text-small text-muted">
      Download {content} as{" "}
      {(["csv", "jsonl"] as const).map((format, i) => (
        <span key={format}>
          {i > 0 && " or "}
          <a
            href={`/api/runs/${runId}/export?content=${content}&format=${format}`}
            download
            className="text-ink underline decoration-line underline-offset-2 hover:decoration-current"
          >
            {format.toUpperCase()}
          </a>
        </span>
      ))}
    </span>
  );
}
