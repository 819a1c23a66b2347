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

const live = document.querySelector<HTMLElement>('[data-live]');
if (live) {
  tick();
  setInterval(tick, 1000);
  const events = new EventSource(`${location.pathname}/events?shows=${live.dataset.live}`);
  events.onmessage = () => {
    events.close();
    location.reload();
  };
  // what the person does here ends what is waited for: a reload must not come before the answer to it
  addEventListener('submit', () => events.close());
}

/** After a refusal the next request is held back for a while, and would not say so. */
function waitBefore(button: HTMLButtonElement): void {
  const label = button.textContent;
  const until = Date.now() + Number(button.dataset.wait) * 1000;
  const tooEarly = (event: Event) => event.preventDefault();
  const look = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    if (seconds > 0) {
      button.textContent = (button.dataset.waiting ?? '').replace('{time}', String(seconds));
      return;
    }
    clearInterval(timer);
    button.removeEventListener('click', tooEarly);
    button.removeAttribute('aria-disabled');
    button.textContent = label;
  };
  const timer = setInterval(look, 1000);
  button.addEventListener('click', tooEarly);
  button.setAttribute('aria-disabled', 'true');
  look();
}

const again = document.querySelector<HTMLButtonElement>('button[data-wait]');
if (again) waitBefore(again);

// A page that the browser kept, shown again by the back button, may long be over.
addEventListener('pageshow', (event) => {
  if ((event as PageTransitionEvent).persisted) location.reload();
});
