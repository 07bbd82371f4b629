// A browser starts no worker for a page from disk, and the search asks for one. There a hidden frame takes its place: the same
// script, the same messages.
if (location.protocol === "file:") {
  class FrameWorker extends EventTarget {
    #waiting = [];

    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inside = frame.contentWindow;
      this.terminate = () => frame.remove();
      this.postMessage = (data) => this.#waiting.push(data);
      const begin = () => {
        this.postMessage = (data) => inside.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) }));
        for (const data of this.#waiting.splice(0)) this.postMessage(data);
      };
      inside.document.open();
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) }));
      inside.importScripts = (...addresses) =>
        addresses.reduce((before, one) => before.then(() => FrameWorker.#load(inside.document, one)), Promise.resolve());
      inside.document.write("<!doctype html><body></body>");
      inside.document.close();
      FrameWorker.#load(inside.document, address).then(begin);
    }

    static #load(within, address) {
      return new Promise((done, failed) => {
        const script = within.createElement("script");
        script.src = address;
        script.onload = done;
        script.onerror = failed;
        within.body.append(script);
      });
    }
  }
  window.IFrameWorker = FrameWorker; // the search looks for this name
  window.Worker = FrameWorker;
}
