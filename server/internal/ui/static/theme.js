// A classic script in the head, so that the page is never drawn in the wrong
// theme first.
(() => {
  const choices = ['auto', 'light', 'dark'];
  let choice = 'auto';
  try {
    choice = localStorage.getItem('simplane-theme') || 'auto';
  } catch { /* storage is switched off */ }
  const apply = () => {
    if (choice === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
  };
  apply();
  addEventListener('DOMContentLoaded', () => {
    const button = document.getElementById('theme');
    const label = () => { button.textContent = 'Theme: ' + choice; };
    label();
    button.addEventListener('click', () => {
      choice = choices[(choices.indexOf(choice) + 1) % choices.length];
      try {
        localStorage.setItem('simplane-theme', choice);
      } catch { /* it lasts as long as the page */ }
      apply();
      label();
    });
  });
})();
