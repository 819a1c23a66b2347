/** Spares the reload: the page goes on when the answer is there, and shows how much time is left. Works without this, too. */
const clock = document.querySelector<HTMLProgressElement>('progress[data-until]');
const left = document.querySelector<HTMLElement>('[data-left]');

/** `4:05`, never below zero. */
function timeText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function tick(): void {
  if (!clock || !left) return;
  const ms = Number(clock.dataset.until) - Date.now();
  clock.value = Math.max(0, ms);
  const text = left.querySelector('span');
  if (text) text.textContent = (left.dataset.left ?? '').replace('{time}', timeText(ms));
  left.hidden = false;
}

if (document.querySelector('[data-live]')) {
  tick();
  setInterval(tick, 1000);
  const events = new EventSource(`${location.pathname}/events`);
  events.onmessage = () => {
    events.close();
    location.reload();
  };
}

// A page that the browser kept, shown again by the back button, may long be over.
addEventListener('pageshow', (event) => {
  if ((event as PageTransitionEvent).persisted) location.reload();
});
