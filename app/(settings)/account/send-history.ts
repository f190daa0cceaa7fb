/** @file Sends a file of conversations as it is. A plain request: only that one tells how much has been sent. */

export type HistoryResult = {
  conversations: number;
  messages: number;
  alreadyHere: number;
  outdated: number;
  unfit: number;
  faults: { line: number; reason: string }[];
};

/** @throws {Error} with a text for the person */
export function sendHistory(file: File, onSent: (share: number) => void): Promise<HistoryResult> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/account/histories");
    request.setRequestHeader("content-type", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) =>
      onSent(total > 0 ? loaded / total : 0),
    );
    request.addEventListener("load", () => {
      const answer: unknown = request.response;
      if (request.status === 200) resolve(answer as HistoryResult);
      else reject(new Error(messageOf(answer)));
    });
    request.addEventListener("error", () =>
      reject(new Error("The connection was lost. What came through before stays; choose the file again.")),
    );
    request.send(file);
  });
}

function messageOf(answer: unknown): string {
  return answer instanceof Object && "message" in answer && typeof answer.message === "string"
    ? answer.message
    : "The server could not read the file.";
}
