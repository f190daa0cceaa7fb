/** @file Hands a text to the browser as a file to keep. */

export type TextFile = { fileName: string; contentType: string; content: string };

export function downloadFile({ fileName, contentType, content }: TextFile): void {
  const url = URL.createObjectURL(new Blob([content], { type: contentType }));
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName;
  link.click();
  // The browser has taken its own reference by the next task.
  setTimeout(() => URL.revokeObjectURL(url));
}
